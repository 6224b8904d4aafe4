import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { agent, Engine, type Journal, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/index.ts';
import { file } from '../journal/setup.ts';
import { all, around, entryOf } from '../kit/journals.ts';
import { anything, asks } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A run that a tool holds up, driven by one engine and watched from another, which has read as far as there is. */
async function watched(journal: Journal, other: Journal) {
  const hold = deferred<string>();
  const wait = tool({ name: 'wait', description: '', input: anything, execute: () => hold.promise });
  const run = new Engine({ journal }).run(
    agent({ name: 'clerk', instructions: '', model: scripted([asks(['wait', {}]), 'done']), tools: [wait] }),
    'go',
  );
  await entryOf(journal, run.id, 'call.started');
  let reads = 0;
  const counting: Journal = {
    ...around(other, { subscribe: other.subscribe && ((...a) => other.subscribe?.(...a) ?? false) }),
    read: (...a) => {
      reads++;
      return other.read(...a);
    },
  };
  const seen: string[] = [];
  const ending = new AbortController();
  const watching = (async () => {
    for await (const event of new Engine({ journal: counting }).watch(run.id, { signal: ending.signal })) seen.push(event.type);
  })();
  while (!seen.includes('tool.started')) await turn();
  for (let i = 0; i < 10; i++) await turn();
  return { run, hold, seen, watching, ending, reads: () => reads };
}

describe('watch() of a run that is driven elsewhere', () => {
  test.each([
    ['the memory store', () => [memoryJournal()] as const],
    [
      'SQLite, of this process',
      () => {
        const { open } = file();
        return [open(), open()] as const;
      },
    ],
  ])('is woken by %s, and waits for no timer', async (_, make) => {
    const [journal, other = journal] = make();
    const { run, hold, seen, watching } = await watched(journal, other);
    hold.resolve('ok');
    await run;
    await watching;
    expect(seen).toEqual(expect.arrayContaining(['tool.finished', 'run.ended']));
  });

  test.each([
    ['has no subscribe()', undefined],
    ['hears this process only', () => false],
    [
      'fails to subscribe',
      () => {
        throw new Error('no connection');
      },
    ],
  ])('looks every 250 ms where the store %s', async (_, subscribe) => {
    const inner = memoryJournal();
    const { run, hold, seen, watching, reads } = await watched(inner, around(inner, { subscribe }));
    hold.resolve('ok');
    await run;
    const before = reads();
    for (let i = 0; i < 10; i++) await turn();
    expect(reads()).toBe(before);
    expect(seen).not.toContain('run.ended');
    await vi.advanceTimersByTimeAsync(250);
    await watching;
    expect(seen).toContain('run.ended');
  });

  test('ends its subscription when it is left, and when its signal is aborted', async () => {
    const inner = memoryJournal();
    const signals: AbortSignal[] = [];
    const listening = around(inner, {
      subscribe: (_, { signal }) => {
        signals.push(signal);
        return true;
      },
    });
    const { watching, ending, run, hold } = await watched(inner, listening);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    ending.abort();
    await watching;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    hold.resolve('ok');
    await run;
    await all(new Engine({ journal: listening }).watch(run.id));
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});
