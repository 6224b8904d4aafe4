/** What `npm run bench` keeps, and the page that is written from it. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { here } from '../../bench/here.ts';
import { exactly, type Outcome } from '../../bench/result.ts';
import { DOCS, documented, kept } from '../../bench/results/file.ts';
import { merged, RESULTS_FORMAT, type Results } from '../../bench/results/results.ts';

const outcome = (value: number): Outcome => ({
  tables: [{ title: 'A thing', unit: 'ms', columns: ['once'], rows: [{ name: 'Rondo', cells: [exactly(value)] }] }],
  targets: [{ name: 'thing', measured: exactly(value), unit: 'ms', limit: 5 }],
});
const measured = (values: Readonly<Record<string, number>>, at: string): Results => ({
  format: RESULTS_FORMAT,
  scenarios: Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { machine: { ...here(), at }, seconds: 1, ...outcome(value) }]),
  ),
});
const PAGE = `top
<!-- summary -->
<!-- /summary -->
<!-- bench -->
old
<!-- /bench -->
end`;

describe('results of the benchmarks', () => {
  test('a scenario that was not run stays as it was, with its own time', () => {
    const all = merged(measured({ a: 1, b: 2 }, '2026-01-01'), measured({ b: 3 }, '2026-02-02'));
    expect(all.scenarios).toMatchObject({
      a: { machine: { at: '2026-01-01' }, tables: [{ rows: [{ cells: [{ p50: 1 }] }] }] },
      b: { machine: { at: '2026-02-02' }, tables: [{ rows: [{ cells: [{ p50: 3 }] }] }] },
    });
  });

  test('a framework that was not run stays as it was, and so do scenarios', () => {
    const behaviour = (name: string, versions: string) => ({ name, versions, cells: [] });
    const before = { ...measured({ a: 1 }, '2026-01-01'), behaviour: [behaviour('rondo', '1'), behaviour('ai', '1')] };
    const now = { format: RESULTS_FORMAT, behaviour: [behaviour('rondo', '2')] } as const;
    expect(merged(before, now)).toMatchObject({ scenarios: { a: {} }, behaviour: [{ name: 'rondo', versions: '2' }, { name: 'ai' }] });
  });

  test('the page gets each part with the time at which it was measured, and the verdicts of all', () => {
    const page = documented(PAGE, merged(measured({ a: 1, b: 2 }, '2026-01-01'), measured({ b: 7 }, '2026-02-02')));
    expect(page).toMatch(
      /^top\n.*2026-01-01\n\nA thing.*2026-02-02\n\nA thing.*MISS by 40.*1 reached, 1 missed\n```\n<!-- \/bench -->\nend$/s,
    );
    expect(page).not.toContain('old');
  });

  test('how tools are found is kept, and is a table of its own', () => {
    const row = {
      catalogue: 'c',
      ranking: 'words',
      tools: 3_000,
      questions: 9,
      hits: { 1: 0.1, 3: 0.3, 5: 0.5, 10: 0.6, 20: 0.96 },
      answered: 0.98,
      enough: 14,
    };
    const found = { machine: here(), rows: [{ ...row, tokens: { all: 10_000, search: 200, answer: 1_000, task: 2_600 } }] };
    const page = documented(
      `${PAGE}<!-- found -->\nold\n<!-- /found -->`,
      merged({ ...measured({ a: 1 }, '2026-01-01'), found }, measured({ a: 2 }, '2026-02-02')),
    );
    expect(page).toContain(
      '| c | 3,000 | 9 | words | 10.0% | 30.0% | 50.0% | 60.0% | 96.0% | 98.0% | 10,000 | 1,000 | 87.0% | 14 |\n<!-- /found -->',
    );
    expect(page).not.toContain('old');
  });

  test('a page without the marks is refused', () => {
    expect(() => documented('nothing', measured({ a: 1 }, '2026-01-01'))).toThrow('<!-- summary -->');
  });

  test('the page in docs/ is what bench/results.json holds', () => {
    const page = readFileSync(DOCS, 'utf8');
    expect(documented(page, kept())).toBe(page);
  });
});
