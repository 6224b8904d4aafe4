import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import type { Report } from '../../src/bench/index.ts';
import { agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { folder } from '../kit/folder.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { ran } from './io.ts';

/** The changed agent: it pays once more, and its tool leaves a file behind where it is executed. */
const CHANGED = (cwd: string) => `
import { writeFileSync } from 'node:fs';
import { agent, tool } from 'rondo';
import { scripted } from 'rondo/testing';
const pay = tool({
  name: 'pay',
  description: '',
  input: { type: 'object' },
  execute: () => writeFileSync(${JSON.stringify(join(cwd, 'executed'))}, 'yes'),
});
const call = (cents) => ({ toolCalls: [{ name: 'pay', input: { cents } }] });
export default {
  agent: (model) => agent({ name: 'support', instructions: '', model, tools: [pay] }),
  model: () => scripted([call(5), call(6), 'Paid.']),
  scenarios: [{ name: 'not used', input: 'x' }],
};`;

test('old runs of a journal run again against the agent of the file, and nothing is executed', async () => {
  const cwd = folder('from');
  const pay = tool({ name: 'pay', description: '', input: anything, execute: () => 'paid' });
  const old = agent({ name: 'support', instructions: '', model: scripted([asks(['pay', { cents: 5 }]), 'Paid.']), tools: [pay] });
  const engine = new Engine({ journal: sqliteJournal(join(cwd, 'runs.db')) });
  const { runId } = await ends(engine.run(old, 'Pay five cents'), 'completed');
  await engine.close();

  const { code, out, err } = await ran(['bench', 'a.ts', '--from', 'runs.db', '--json', 'r.json'], { 'a.ts': CHANGED(cwd) }, { cwd });
  expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('Wrote r.json') });
  expect(() => readFileSync(join(cwd, 'executed'))).toThrow('ENOENT');
  const { runs } = JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')) as Report;
  expect(runs).toMatchObject([
    {
      scenario: runId,
      difference: { missing: 1, added: [{ tool: 'pay', input: { cents: 6 }, effect: true }], removed: [], sameOutput: true },
    },
  ]);
  expect(out).toContain('Beside the recorded runs');
});

test.each([
  [['--from', 'missing.db'], 'There is no journal'],
  [['--from', 'text.db'], 'text.db'],
  [['--from', 'other.db'], 'other.db has no completed run of agent "support" without a tenant. Runs of a tenant need --tenant <name>.'],
  [['--from', 'other.db', '--tenant', 'acme'], 'other.db has no completed run of agent "support" of the tenant "acme".'],
])('%j: exit code 2, and clear words', async (args, why) => {
  const cwd = folder('from');
  writeFileSync(join(cwd, 'text.db'), 'this is not a database, and long enough to be read as one: '.repeat(100), { mode: 0o600 });
  const engine = new Engine({ journal: sqliteJournal(join(cwd, 'other.db')) });
  await ends(engine.run(agent({ name: 'other', instructions: '', model: scripted(['done']) }), 'go'), 'completed');
  await engine.close();
  const { code, err } = await ran(['bench', 'a.ts', ...args], { 'a.ts': CHANGED(cwd) }, { cwd });
  expect(err).toContain(why);
  expect(err).not.toContain('    at ');
  expect(code).toBe(2);
});
