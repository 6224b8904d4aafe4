import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Journal, memoryJournal } from '../../src/index.ts';
import type { Draft } from '../../src/journal/entries/entries.ts';
import { apply, emptyFold, openWaits, type RunFold } from '../../src/journal/fold/fold.ts';
import { headOf } from '../../src/journal/head.ts';
import { Log } from '../../src/journal/log.ts';
import { asked, asks, begins, claimed, decided, ends, settled, started } from './lives.ts';

const lease = { owner: 'me', until: 4e12, wall: Number.POSITIVE_INFINITY, monotonic: 1e12 };
const logOf = (journal: Journal, run = emptyFold('r', 'a'), guest = false) =>
  new Log(journal, run, guest ? undefined : lease, undefined, guest);

async function replayed(journal: Journal): Promise<RunFold> {
  const run = emptyFold('r', 'a');
  for await (const entry of journal.read('r')) apply(run, entry);
  return run;
}

const topic = { tenant: undefined, event: 'e', key: 'k' };
const waits = (call: string, o: { event?: false; frame?: string } = {}): Draft => ({
  type: 'wait.began',
  call,
  until: 2e12,
  for: 1,
  ...(o.event ?? { event: { name: 'e', key: 'k', schema: {} } }),
  frame: o.frame,
});
const graph = (nodes: number): Draft => ({
  type: 'frame.began',
  kind: 'graph',
  state: {},
  next: Array.from({ length: nodes }, () => ({ node: 'n' })),
});
const opens = (call: string, frame?: string): Draft => ({ type: 'frame.opened', call, agent: 'b', fingerprint: 'f', input: 'go', frame });
const inside = (draft: Draft, frame: string): Draft => ({ ...draft, frame });
const temporary = { code: 'BUSY', message: '', retryable: true, outcome: 'not-run', attempts: 1 } as const;

const lives: Record<string, Draft[][]> = {
  'nodes wait, and end one by one': [
    [started, graph(3)],
    [waits('1.0'), waits('1.1', { event: false })],
    [waits('1.2'), ends('1.0')],
    [settled('paused')],
    [claimed('me')],
    [ends('1.1'), ends('1.2'), settled('completed')],
  ],
  'a call waits and ends in one append': [[started, graph(2)], [waits('1.0'), ends('1.0'), waits('1.1')], [begins('1.1')]],
  'a run ends while its calls wait': [
    [started, asks('t', 't'), waits('1.0'), waits('1.1')],
    [settled('paused')],
    [claimed('me'), settled('completed')],
  ],
  'a run fails while a call waits, and goes on': [
    [started, graph(2), waits('1.0')],
    [ends('1.1', { error: temporary }), { ...settled('failed'), error: temporary } as Draft],
    [claimed('me'), ends('1.0')],
  ],
  'a call that waited asks a person': [
    [started, asks('t'), waits('1.0')],
    [begins('1.0')],
    [{ ...asked('x', '1.0'), midway: true } as Draft],
    [decided('x'), begins('1.0')],
  ],
  'sub-agents end while calls far below them wait': [
    [started, asks('sub', 't'), waits('1.1')],
    [opens('1.0')],
    [inside(asks('sub', 't'), '1.0'), opens('4.0', '1.0'), waits('4.1', { frame: '1.0' })],
    [inside(asks('t'), '4.0'), waits('7.0', { frame: '4.0' })],
    [ends('1.0')],
    [settled('paused')],
  ],
};

describe('the waits of the store are those of the run', () => {
  test.each(Object.keys(lives))('%s', async (name) => {
    const journal = memoryJournal();
    const log = logOf(journal);
    for (const drafts of lives[name] as Draft[][]) {
      await log.append(() => structuredClone(drafts));
      const run = await replayed(journal);
      const open = openWaits(run).filter(({ began }) => began.event);
      const kept = (await journal.inbox?.waits(topic)) ?? [];
      expect(kept.map(({ call }) => call).sort()).toEqual(open.map(({ call }) => call.id).sort());
      for await (const head of journal.heads({ runId: 'r' })) expect(head).toEqual(headOf(run, lease));
    }
  });
});

describe('an append costs its own entries only, however many calls there are and whatever others append,', () => {
  afterEach(() => void vi.restoreAllMocks());

  /** Counts the members of all maps that something goes through: copies and searches of a run do. */
  function looking(): () => number {
    let looked = 0;
    for (const name of ['values', 'entries', 'keys', Symbol.iterator] as const) {
      const real = Map.prototype[name] as (this: Map<unknown, unknown>) => never;
      vi.spyOn(Map.prototype, name as 'values').mockImplementation(function (this: Map<unknown, unknown>) {
        looked += this.size;
        return real.call(this);
      });
    }
    return () => looked;
  }

  test.each<[string, (i: number) => Draft]>([
    ['where they wait for a time', (i) => waits(`1.${i}`, { event: false })],
    ['where they wait for events', (i) => ({ ...waits(`1.${i}`), event: { name: 'e', key: `k${i}`, schema: {} } }) as Draft],
    ['where conversations are left to a memory', (i) => ({ type: 'memory.due', key: `k${i}` })],
  ])('%s', async (_, begin) => {
    const most = 200;
    const journal = memoryJournal();
    const log = logOf(journal);
    await log.append(() => [started, graph(most)]);
    const other = logOf(journal, await replayed(journal), true);
    const looked = looking();
    for (let i = 0; i < most; i++) {
      await log.append(() => [begin(i)]);
      await other.adopt();
      if (i % 2 > 0) continue;
      await other.append(() => [{ type: 'message.received', kind: 'steering', content: [{ type: 'text', text: 'go' }], by: { id: 'b' } }]);
      await log.adopt();
    }
    for (let i = 0; i < most; i++) await log.append(() => [ends(`1.${i}`)]);
    // two folds are copied once each
    expect(looked()).toBeLessThan(10 * most);
    expect(log.run).toEqual(await replayed(journal));
  });
});
