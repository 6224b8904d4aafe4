import { expect, it } from 'vitest';
import { declaredEvents, eventProblems } from '../../scripts/events.ts';

const declared = new Map([
  ['run.began', { fields: ['input', 'by?'], values: [] }],
  ['run.over', { fields: ['outcome'], values: ['done', 'failed'] }],
]);
const page = (...rows: string[]) => `# E\n## The events\n| event | fields | |\n|---|---|---|\n${rows.join('\n')}\n## Other\n| \`x\` | | |`;
const began = '| `run.began` | `input`, `by?` | |';
const over = '| `run.over` | `outcome` | it is `done` or `failed` |';

it('finds nothing wrong where the page has each event, its fields and their values', () => {
  expect(eventProblems(page(began, over), declared)).toEqual([]);
});

it.each([
  ['an event that is missing', [began], 'the event run.over is missing'],
  ['an event that is not there', [began, over, '| `run.old` | | |'], 'there is no event run.old'],
  ['a field that is missing', ['| `run.began` | `input` | `by?` |', over], 'run.began has a field `by?`'],
  ['a field that is not there', ['| `run.began` | `input`, `by?`, `at` | |', over], 'run.began has no field `at`'],
  ['a field shown as always there', ['| `run.began` | `input`, `by` | |', over], 'run.began has no field `by`'],
  ['a value that is missing', [began, '| `run.over` | `outcome` | it is `done` |'], 'a field of run.over may be `failed`'],
])('%s', (_, rows, problem) => {
  expect(eventProblems(page(...rows), declared)).toContainEqual(expect.stringContaining(problem));
});

it('reads the events from the types', () => {
  const events = declaredEvents();
  expect(events.get('outcome.settled')).toEqual({
    fields: ['callId', 'source', 'outcome'],
    values: ['late', 'operator', 'check', 'done', 'failed', 'not-run'],
  });
  expect(events.get('reasoning.delta')).toEqual({ fields: ['text', 'attempt'], values: [] });
  expect(events.get('run.started')?.fields).toContain('earlier?');
});
