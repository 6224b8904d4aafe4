import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Comparison, Report } from '../../src/bench/index.ts';
import { aReport, aRun, inRounds } from '../bench/reports.ts';
import { benchmarkFile, ran, TWO } from './io.ts';

const FILE = 'a.bench.ts';
const bench = (args: readonly string[], text = benchmarkFile(), o = {}) => ran(['bench', FILE, ...args], { [FILE]: text }, o);

describe('a benchmark of a file', () => {
  test('is measured, and its tables are printed without colours or a bar', async () => {
    const { code, out, err } = await bench([]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('support · 4 runs · 2 scenarios');
    expect(out).toMatch(/^ {2}one\s+2\/2\s+100% \(34\.2% to 100%\)/m);
    expect(out).toMatch(/step: engine/);
    expect(out).toMatch(/^ {2}test\/m\s+4\s+0/m);
    expect(out).not.toContain('\u001b');
  });

  test('colours where the terminal has them', async () => {
    expect((await bench([], undefined, { colors: true })).out).toContain('\u001b[1m');
  });

  test('what the command line says overrides the file', async () => {
    const { cwd } = await bench(
      ['--runs', '3', '--warm-up', '0', '--concurrency', '2', '--budget', '500', '--only', 'two', '--variant', 'big', '--json', 'r.json'],
      benchmarkFile(TWO),
    );
    const report = JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')) as Report;
    expect(report).toMatchObject({ settings: { runs: 3, warmUp: 0, concurrency: 2, budget: 500 }, scenarios: ['two'], variants: ['big'] });
    expect(report.runs).toHaveLength(3);
  });

  test.each([
    ['a function', (text: string) => text.replace('export default {', 'export default () => ({').replace(/};$/, '});')],
    ['a promise', (text: string) => text.replace('export default {', 'export default Promise.resolve({').replace(/};$/, '});')],
    [
      'a function that returns a promise',
      (text: string) => text.replace('export default {', 'export default async () => ({').replace(/};$/, '});'),
    ],
  ])('the default export may be %s', async (_, change) => {
    expect((await bench(['--quiet'], change(benchmarkFile()))).code).toBe(0);
  });

  test('JSON on the standard output is only JSON, also with a baseline and conditions', async () => {
    const { code, out } = await bench(['--json', '--fail-if', 'costUsd > +5%'], benchmarkFile(TWO));
    expect(code).toBe(1);
    expect((JSON.parse(out) as Report).runs).toHaveLength(8);
    expect(out.trimEnd().split('\n')).toHaveLength(1);
  });

  test('quiet: no tables; a condition that holds is still said', async () => {
    const { out, err } = await bench(['--quiet', '--fail-if', 'ms >= 0']);
    expect(out).toBe('');
    expect(err).toMatch(/^--fail-if 'ms >= 0' holds for default: ms\.mean is [\d.e-]+\n$/);
  });
});

describe('Markdown', () => {
  test('goes to the standard output, into a file, or is appended to the summary of the job', async () => {
    const shown = await bench(['--markdown']);
    expect(shown.out).toMatch(/^## support · 4 runs · 2 scenarios\n/);
    expect(shown.out).toContain('| one | 2/2 |');
    const { cwd } = await bench(['--markdown', 'r.md', '--quiet']);
    expect(readFileSync(join(cwd, 'r.md'), 'utf8')).toContain('| one | 2/2 |');
    const summary = join(cwd, 'summary.md');
    const env = { GITHUB_STEP_SUMMARY: summary };
    for (let i = 0; i < 2; i++) expect((await bench(['--markdown'], undefined, { env })).out).toContain('Runs\n');
    expect(readFileSync(summary, 'utf8').match(/^## support/gm)).toHaveLength(2);
    expect((await bench([], undefined, { env })).code).toBe(0);
    expect(readFileSync(summary, 'utf8').match(/^## support/gm)).toHaveLength(2);
  });

  test('names cannot end a cell, be HTML, or mention a person', async () => {
    const name = 'a|b <img src=x> [c](d) @team `e`\\n| new row |';
    const { out } = await bench(['--markdown', '--only', 'one', '--runs', '1'], benchmarkFile(`name: '${name}',`));
    const [title] = out.split('\n');
    expect(title).toBe('## a\\|b &#60;img src=x&#62; \\[c\\](d) @\u200bteam \\`e\\` \\| new row \\| · 1 run · 1 scenario');
  });
});

describe('exit codes', () => {
  const failing = "checks: [function polite() { return { pass: false, reason: 'not a word of thanks' }; }],";

  test('1 for a run that did not pass, with its cause', async () => {
    const { code, out, err } = await bench([], benchmarkFile(failing));
    expect(code).toBe(1);
    expect(err).toContain("4 of 4 runs did not pass. How many may fail is said by --fail-if 'passRate < 0.9'.");
    expect(out).toMatch(/^ {2}one\s+polite\s+2\s+not a word of thanks$/m);
  });

  test('a condition on the share that passed decides alone', async () => {
    expect((await bench(['--fail-if', 'passRate < 0'], benchmarkFile(failing))).code).toBe(0);
    expect((await bench(['--fail-if', 'passRate < 0.5'], benchmarkFile(failing))).code).toBe(1);
  });

  test('3 for a budget that ended it, and the report has what was measured', async () => {
    const { code, err, cwd } = await bench(
      ['--budget', '0.0015', '--json', 'r.json', '--runs', '50', '--fail-if', 'passRate < 0.5'],
      benchmarkFile(
        "model: () => scripted([{ text: 'done', usage: { input: 100, output: 20 } }], { provider: 'test', id: 'm', maxOutput: 20 }),",
      ),
    );
    expect(code).toBe(3);
    expect(err).toContain('Incomplete: the budget is used up');
    const report = JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')) as Report;
    expect(report.incomplete).toBe('budget');
    expect(report.runs.length).toBeGreaterThan(0);
    expect(report.spentUsd).toBeLessThanOrEqual(0.0015);
  });

  test('130 for Ctrl-C, and the report has what was measured', async () => {
    const stop = new AbortController();
    const key = `stop-${Math.random()}`;
    Object.assign(globalThis, { [key]: () => stop.abort() });
    const text = benchmarkFile(`runs: 50, checks: [({ runId }) => { if (++n === 5) globalThis['${key}'](); return true; }],`, 'let n = 0;');
    const { code, cwd } = await bench(['--json', 'r.json'], text, { signal: stop.signal });
    expect(code).toBe(130);
    const report = JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')) as Report;
    expect(report.incomplete).toBe('cancelled');
    expect(report.runs.length).toBeLessThan(50);
  });

  const refused: [what: string, args: string[], text: string | undefined, message: RegExp][] = [
    ['no file', ['bench'], undefined, /missing required argument 'file'/],
    ['an unknown command', ['bnech'], undefined, /unknown command 'bnech'[\s\S]*Did you mean bench/],
    ['an unknown option', ['bench', FILE, '--run', '3'], undefined, /unknown option '--run'[\s\S]*Did you mean --runs/],
    ['runs that are no number', ['bench', FILE, '--runs', 'many'], undefined, /whole number of 1 or more/],
    ['a budget of nothing', ['bench', FILE, '--budget', '0'], undefined, /more than 0/],
    ['a file that is not there', ['bench', 'b.ts'], undefined, /no file b\.ts/],
    ['data', ['bench', 'a.json'], undefined, /rondo bench compare a\.json b\.json/],
    ['a file after --json', ['bench', '--json', FILE], undefined, /missing required argument 'file'/],
    ['two files after --json', ['bench', '--json', FILE, FILE], undefined, /Write the benchmark first: rondo bench a\.bench\.ts --json/],
    ['a file that throws', ['bench', FILE], "throw new Error('no key');", /cannot be loaded: no key\n {2}at .*a\.bench\.ts:1/],
    ['a function that throws', ['bench', FILE], "export default () => { throw new Error('no key'); };", /cannot be loaded: no key/],
    ['a package that is missing', ['bench', FILE], "import 'not-there-at-all';", /cannot be loaded: .*not-there-at-all/],
    [
      'no default export',
      ['bench', FILE],
      'export const support = {};',
      /no default export\. It exports support\. One file is one benchmark/,
    ],
    ['something else', ['bench', FILE], 'export default 7;', /is not a benchmark/],
    ['an invalid declaration', ['bench', FILE], benchmarkFile('scenario: 1,'), /has no option "scenario"\. Did you mean "scenarios"/],
    ['an unknown scenario', ['bench', FILE, '--only', 'twoo'], undefined, /no scenario "twoo"\. Did you mean "two"/],
    ['an unknown variant', ['bench', FILE, '--variant', 'defalt'], undefined, /no variant "defalt"\. Did you mean "default"/],
    ['a condition that cannot be read', ['bench', FILE, '--fail-if', 'costUSD > 1'], undefined, /Did you mean "costUsd"/],
    ['a change without a baseline', ['bench', FILE, '--fail-if', 'ms > +5%'], undefined, /needs something to compare with/],
    ['a baseline that is nothing', ['bench', FILE, '--baseline', 'old.json'], undefined, /neither a file nor a variant/],
    ['a baseline that is not a report', ['bench', FILE, '--baseline', FILE], undefined, /is not JSON/],
    ['two outputs at once', ['bench', FILE, '--json', '--markdown'], undefined, /Give one of them a file/],
    ['an output that is a folder', ['bench', FILE, '--json', '.'], undefined, /is a folder/],
  ];

  test.each(refused)('2 for %s, in words and without a stack', async (_, args, text, message) => {
    const marked = `${text ?? benchmarkFile()}\nif (false) {}`;
    const { code, out, err } = await ran(args, { [FILE]: marked });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
    expect(err).not.toMatch(/\n\s+at \S+ \(/);
  });

  test('nothing is run before the baseline and the conditions are read', async () => {
    const key = `asked-${Math.random()}`;
    const text = benchmarkFile(`model: () => { globalThis['${key}'] = true; return scripted(['done']); },`);
    for (const args of [
      ['--baseline', 'no.json'],
      ['--fail-if', 'nothing'],
      ['--json', FILE],
    ])
      expect((await bench(args, text)).code).toBe(2);
    expect(key in globalThis).toBe(false);
    expect((await bench([], text)).code).toBe(0);
    expect(key in globalThis).toBe(true);
  });

  test('--verbose shows the stack', async () => {
    const { err } = await bench(['--verbose'], "export default () => { throw new Error('no key'); };");
    expect(err).toMatch(/caused by: Error: no key\n\s+at /);
  });
});

describe('comparing', () => {
  test('variants with the first one, or with another', async () => {
    const { out } = await bench([], benchmarkFile(TWO));
    expect(out).toMatch(/^big against small$/m);
    expect(out).toMatch(/^ {2}costUsd +\S+ +\S+ +\+9900%/m);
    expect((await bench(['--baseline', 'big'], benchmarkFile(TWO))).out).toMatch(/^small against big$/m);
  });

  test('with a report of before', async () => {
    const before = await bench(['--json', 'before.json', '--quiet'], benchmarkFile());
    // another name, because a process loads a file once
    const args = ['after.ts', '--baseline', 'before.json', '--fail-if', 'outputTokens > +5%', '--fail-if', 'inputTokens > +5%'];
    const text = benchmarkFile("model: () => scripted(['a much longer answer'], { provider: 'test', id: 'm' }),");
    const { code, out } = await ran(['bench', ...args], { 'after.ts': text }, { cwd: before.cwd });
    expect(code).toBe(1);
    expect(out).toMatch(/^ {2}outputTokens > \+5% +default +HOLDS/m);
    expect(out).toMatch(/^ {2}inputTokens > \+5% +default +no/m);
  });

  const noisy = [80, 120, 90, 110, 100, 95, 105, 85, 115, 100];
  const file = (factor: number) => JSON.stringify(aReport(inRounds(noisy, (ms) => ({ ms: ms * factor }))));
  const compare = (args: readonly string[], more: Record<string, string> = {}) =>
    ran(['bench', 'compare', ...args], { 'a.json': file(1), 'b.json': file(1.5), 'c.json': file(1.01), ...more });

  test('two files', async () => {
    const { code, out } = await compare(['a.json', 'b.json']);
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}ms +100 +150 +\+50% +\+3\d% to \+6\d%/m);
    expect((await compare(['a.json', 'c.json'])).out).toMatch(/^ {2}ms +100 +101 +\+1% ~/m);
    const { out: json } = await compare(['a.json', 'b.json', '--json']);
    expect((JSON.parse(json) as Comparison[])[0]?.parts[0]?.differences[0]).toMatchObject({ number: 'passRate', base: 1, other: 1 });
  });

  test('conditions decide the exit code, and runs that did not pass do not', async () => {
    expect((await compare(['a.json', 'b.json', '--fail-if', 'ms > +5%'])).code).toBe(1);
    expect((await compare(['b.json', 'a.json', '--fail-if', 'ms > +5%'])).code).toBe(0);
    const failed = JSON.stringify(aReport(inRounds(noisy, (ms) => ({ ms, ok: ms > 90 }))));
    expect((await compare(['a.json', 'f.json'], { 'f.json': failed })).code).toBe(0);
  });

  test('variants of one file', async () => {
    const two = JSON.stringify(aReport(['x', 'y', 'z'].flatMap((variant) => inRounds(noisy, (ms) => ({ variant, ms })))));
    const titles = async (...args: string[]) => (await compare(['t.json', ...args], { 't.json': two })).out.match(/^\w against \w$/gm);
    expect(await titles()).toEqual(['y against x', 'z against x']);
    expect(await titles('--variant', 'z')).toEqual(['z against x']);
  });

  test.each([
    ['one variant', ['a.json'], /nothing to compare it with/],
    ['a file that is not there', ['a.json', 'no.json'], /no file no\.json/],
    ['a file that is not a report', ['a.json', 'x.json'], /x\.json is not a report\. A report is what/],
    ['a report of a later version', ['a.json', 'v.json'], /Its format is 2, and this version of rondo reads format 1/],
    ['a report whose runs are not runs', ['a.json', 'w.json'], /w\.json is not a report/],
    ['a report of steps without their times', ['a.json', 's.json'], /s\.json is not a report/],
  ])('%s is refused', async (_, args, message) => {
    const later = JSON.stringify({ ...aReport([aRun()]), format: 2 });
    const broken = JSON.stringify(aReport([{ ...aRun(), steps: 'none' } as never]));
    const timeless = JSON.stringify(aReport([{ ...aRun(), steps: [{ agent: 'a', path: ['a'], step: 1, model: 'm' }] } as never]));
    const { code, err } = await compare(args, { 'x.json': '{"a":1}', 'v.json': later, 'w.json': broken, 's.json': timeless });
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

test('what a model or a tool says cannot move the cursor or end a line', async () => {
  const text = benchmarkFile(
    "checks: [function x() { return { pass: false, reason: 'red \\u001b[31m\\u001b[2J\\nnext\\u0007 \\u202e' }; }],",
  );
  const { out } = await bench([], text);
  expect(out).toMatch(/^ {2}one\s+x\s+2\s+red next$/m);
  expect([...out].filter((char) => char !== '\n' && /\p{Cc}|\p{Cf}/u.test(char))).toEqual([]);
});

test('a file that cannot be written once all is measured loses neither the report nor the other files', async () => {
  // the folders are made after the check before the first run
  const text = benchmarkFile(
    '',
    "import { mkdirSync } from 'node:fs'; for (const file of ['r.json', 'r.html']) mkdirSync(import.meta.dirname + '/' + file);",
  );
  const { code, out, err, cwd } = await bench(['--json', 'r.json', '--html', 'r.html', '--markdown', 'r.md'], text);
  expect(code).toBe(2);
  expect((JSON.parse(out) as Report).runs).toHaveLength(4);
  expect(readFileSync(join(cwd, 'r.md'), 'utf8')).toContain('support');
  expect(err).toMatch(/r\.json cannot be written: .*\nr\.html cannot be written: /);
});

test('help tells the exit codes and goes to the standard output', async () => {
  const { code, out, err } = await ran(['bench', '--help']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const number of [0, 1, 2, 3, 130]) expect(out).toMatch(new RegExp(`^ {2}${number}\\s`, 'm'));
  expect((await ran(['--help'])).out).toMatch(/^ {2}bench /m);
});
