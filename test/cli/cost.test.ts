import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Month } from '../../src/bench/index.ts';
import { aReport, aRun } from '../bench/reports.ts';
import { benchmarkFile, ran } from './io.ts';

const FILE = 'a.bench.ts';
const REPORT = JSON.stringify(aReport([aRun(), aRun({ run: 2 }), aRun({ run: 3, ok: false })]));

describe('rondo cost', () => {
  test('without a file: a session on paper, for the generations of a model', async () => {
    const { code, out, err } = await ran(['cost', '--sessions', '1000', '--steps', '5', '--context', '2000', '--output', '0'], {});
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('1,000 sessions a month: 5 calls of 2000 tokens of input');
    expect(out).toMatch(/claude-haiku-4-5 +\$10\.00 +\$10\.00/);
    expect(out).toMatch(/claude-sonnet-4-5 +\$30\.00/);
    expect(out).toMatch(/2026-10-24, \d+ days ago/);
    expect(out).not.toContain('as measured');
  });

  test('of a report: the runs that passed, and how many are left out', async () => {
    const { code, out } = await ran(['cost', 'r.json', '--sessions', '10', '--model', 'haiku-4-5'], { 'r.json': REPORT });
    expect(code).toBe(0);
    expect(out).toContain('1 runs are left out');
    // 100 tokens of input and 10 of output: 0.00015
    expect(out).toMatch(/claude-haiku-4-5 +\$0\.00150 +\$0\.00150/);
  });

  test('a model with a price of the engine costs what it was charged, and its row says nothing that contradicts it', async () => {
    const { out } = await ran(['cost', 'r.json', '--sessions', '1000'], { 'r.json': REPORT });
    expect(out).toContain('together, with lost attempts and summaries: $1.00 a month');
    expect(out).toMatch(/scripted\/m +\$1\.00 +unknown +unknown +unknown +unknown +the engine, not the table/);
  });

  test('of a benchmark: it is run, within its budget', async () => {
    const { code, out, cwd } = await ran(['cost', FILE, '--runs', '1', '--json', 'm.json'], { [FILE]: benchmarkFile() });
    expect(code).toBe(0);
    expect(out).toContain('sessions a month: support');
    const { months } = JSON.parse(readFileSync(join(cwd, 'm.json'), 'utf8')) as { months: Month[] };
    expect(months).toMatchObject([{ sessions: 1_000, models: [{ model: 'test/m' }] }]);
  });

  test('--under is a condition for scripts', async () => {
    const args = ['cost', '--model', 'haiku-4-5', '--output', '0'];
    expect((await ran([...args, '--under', '11'], {})).code).toBe(0);
    const { code, err } = await ran([...args, '--under', '1'], {});
    expect(code).toBe(1);
    expect(err).toContain('--under 1 does not hold for bedrock/global.anthropic.claude-haiku-4-5');
    expect(await ran(['cost', '--model', 'acme/x', '--under', '1000'], {})).toMatchObject({
      code: 1,
      err: expect.stringContaining('unknown'),
    });
  });

  test('--under judges what was measured by what it was charged, and not by what caching could save', async () => {
    // 10,000 tokens of input at the full rate, 5 dollars a month, of which caching would save nearly all
    const usage = { input: 10_000, output: 0 };
    const charged = aRun();
    const model = 'bedrock/global.anthropic.claude-haiku-4-5';
    const dear = { ...charged, costUsd: 0.01, steps: charged.steps.map((step) => ({ ...step, model, usage, costUsd: 0.01 })) };
    const report = JSON.stringify(aReport([dear]));
    const args = ['cost', 'r.json', '--sessions', '1000', '--model', 'haiku-4-5', '--under'];
    const { code, err } = await ran([...args, '9'], { 'r.json': report });
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('$10') });
    expect((await ran([...args, '11'], { 'r.json': report })).code).toBe(0);
  });

  test.each([
    [['cost', 'r.json', '--runs', '2'], '--runs is for measuring'],
    [['cost', 'r.json', '--budget', '2'], '--budget is for measuring'],
    [['cost', '--memory', '-1'], 'in GB'],
  ])('%j is refused', async (args, said) => {
    const { code, err } = await ran(args, { 'r.json': REPORT });
    expect({ refused: code !== 0, err }).toEqual({ refused: true, err: expect.stringContaining(said) });
  });

  test('JSON alone on the standard output', async () => {
    const { out } = await ran(['cost', '--json'], {});
    expect((JSON.parse(out) as { months: Month[] }).months).toHaveLength(1);
  });

  test.each([
    [['cost', '--model', 'nothing-like-it'], 'has no model "nothing-like-it"'],
    [['cost', 'r.json', '--steps', '5'], 'is of a session on paper'],
    [['cost', 'failed.json'], 'no run passed'],
    [['cost', 'missing.json'], 'There is no file missing.json'],
    [['cost', '--sessions', '0'], 'whole number'],
    [['cost', '--session', '5'], 'unknown option'],
  ])('%j: exit code 2, and clear words', async (args, why) => {
    const files = { 'r.json': REPORT, 'failed.json': JSON.stringify(aReport([aRun({ ok: false })])) };
    const { code, err } = await ran(args, files);
    expect(code).toBe(2);
    expect(err).toContain(why);
    expect(err).not.toContain('    at ');
  });
});
