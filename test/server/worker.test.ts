import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { Engine, memoryJournal, RondoError } from '../../src/index.ts';
import { worker } from '../../src/server/index.ts';
import { around, refused, until } from '../engine/setup.ts';
import { held } from './held.ts';
import { killedRun } from './kill.ts';
import { looker } from './looker.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

test('a run whose process was killed is driven to its end', async () => {
  const journal = await killedRun('left');
  await using engine = new Engine({ journal: sqliteJournal(journal), agents: [looker(() => 'seen')] });
  await using work = worker(engine);
  const state = await until(async () => {
    const now = await engine.inspect('left');
    return now.status === 'completed' ? now : undefined;
  });
  expect(state.messages.at(-1)?.content).toEqual([{ type: 'text', text: 'seen' }]);
  await work.stop();
});

test('it polls again after a failed poll, and reports the error', async () => {
  let looks = 0;
  const inner = memoryJournal();
  const journal = around(inner, {
    heads: (filter) => {
      looks++;
      if (looks === 1) throw new RondoError('JOURNAL_UNAVAILABLE', 'the store is away for a moment');
      return inner.heads(filter);
    },
  });
  await using engine = new Engine({ journal });
  const errors: unknown[] = [];
  await using _work = worker(engine, {
    every: 1,
    onError: (error) => {
      errors.push(error);
      throw new Error('a listener that throws');
    },
  });
  await until(() => looks > 3);
  expect(errors).toMatchObject([{ code: 'JOURNAL_UNAVAILABLE' }]);
});

test('stop() ends the loop, and leaves what it drives to the engine', async () => {
  const journal = await killedRun('left');
  const { agent, begun, finish } = held();
  await using engine = new Engine({ journal: sqliteJournal(journal), agents: [agent] });
  const recover = vi.spyOn(engine, 'recover');
  const work = worker(engine, { every: 1 });
  await begun;
  await work.stop();
  const looks = recover.mock.calls.length;
  expect((await engine.inspect('left')).status).toBe('running');
  finish('seen');
  await until(async () => (await engine.inspect('left')).status === 'completed');
  expect(recover.mock.calls.length).toBe(looks);
});

test('it ends with its engine, without a warning', async () => {
  const engine = new Engine();
  const recover = vi.spyOn(engine, 'recover');
  const work = worker(engine, { every: 1 });
  await until(() => recover.mock.calls.length > 1);
  await engine.close();
  const before = recover.mock.calls.length;
  await until(() => recover.mock.calls.length > before);
  // it resolves though nothing stopped it: its loop is over
  await work.stop();
  expect(recover.mock.calls.length).toBe(before + 1);
  expect(process.emitWarning).not.toHaveBeenCalled();
});

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, '5' as never])('every: %s is refused', async (every) => {
  await refused('CONFIG_INVALID', () => worker(new Engine(), { every }));
});
