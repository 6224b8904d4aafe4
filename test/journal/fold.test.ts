import { describe, expect, test, vi } from 'vitest';
import { type Draft, type Entry, VERSION } from '../../src/journal/entries/entries.ts';
import { copyOf } from '../../src/journal/fold/copy.ts';
import { apply, emptyFold, unfinishedCalls } from '../../src/journal/fold/fold.ts';
import { freezeJson } from '../../src/json.ts';
import { asked, asks, begins, claimed, decided, ends, lives, settled, started } from './lives.ts';

const entriesOf = (drafts: readonly Draft[]) =>
  structuredClone(drafts).map((draft, seq) => ({ ...draft, v: VERSION, seq, at: 1_000 + seq }) as Entry);

function folded(entries: readonly Entry[]) {
  const run = emptyFold('r', 'a');
  for (const entry of entries) apply(run, entry);
  return run;
}

describe.each(Object.keys(lives))('%s', (name) => {
  const entries = entriesOf((lives[name] as Draft[][]).flat());

  // holds fold.I1
  test('the state is the same whenever it is computed', () => {
    const before = folded(entries);
    const clocks = [vi.spyOn(Date, 'now'), vi.spyOn(performance, 'now'), vi.spyOn(Math, 'random')];
    for (const clock of clocks)
      clock.mockImplementation(() => {
        throw new Error('the fold asked for something that is in no entry');
      });
    try {
      expect(folded(entries)).toEqual(before);
    } finally {
      for (const clock of clocks) clock.mockRestore();
    }
  });

  // holds fold.I2
  test('the entries stay as they are', () => {
    const frozen = freezeJson(structuredClone(entries)) as Entry[];
    expect(folded(frozen)).toEqual(folded(entries));
    expect(frozen).toEqual(entriesOf((lives[name] as Draft[][]).flat()));
  });

  // holds fold.I6
  test('no call that may have taken effect is forgotten', () => {
    for (let at = 1; at <= entries.length; at++) {
      const run = folded(entries.slice(0, at));
      if (run.status === 'running') continue;
      for (const call of unfinishedCalls(run))
        if (call.status === 'started' && call.effect === 'once') expect([...run.unknowns.keys()]).toContain(call.id);
    }
  });

  test('a copy of a fold is independent of the original', () => {
    for (let at = 1; at <= entries.length; at++) {
      const [before, after] = [entries.slice(0, at), entries.slice(at)];
      for (const first of ['the copy', 'the original']) {
        const run = folded(before);
        const copy = copyOf(run);
        expect(copy).toEqual(run);
        const [one, two] = first === 'the copy' ? [copy, run] : [run, copy];
        for (const entry of after) apply(one, entry);
        expect(one, `${first} after entry ${at}`).toEqual(folded(entries));
        expect(two, `what ${first} left behind after entry ${at}`).toEqual(folded(before));
        for (const entry of after) apply(two, entry);
        expect(two).toEqual(folded(entries));
      }
    }
  });
});

const usage = (tokens: number) => ({ usage: { input: tokens, output: 0 }, usd: tokens / 1_000 });
const answer = (tokens: number, frame?: string): Draft => ({ ...asks('t'), ...usage(tokens), frame }) as Draft;

// holds fold.I3
test('the results of an answer come in one message, in the order asked, once all are there', () => {
  const drafts = [started, asks('a', 'b', 'c'), ends('1.2', { output: 'C' }), ends('1.0', { output: 'A' })];
  expect(folded(entriesOf(drafts)).root.messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
  const { messages } = folded(entriesOf([...drafts, ends('1.1', { output: 'B' })])).root;
  expect(messages.slice(2)).toEqual([
    {
      role: 'tool',
      content: ['A', 'B', 'C'].map((text, i) => ({ type: 'toolResult', id: `p${i}`, output: [{ type: 'text', text }] })),
    },
  ]);
});

const opens = (call: string, frame?: string): Draft => ({ type: 'frame.opened', call, agent: 'b', fingerprint: 'f', input: 'go', frame });

// holds fold.I4
test('the spending of a sub-agent counts for the agents above it', () => {
  const run = folded(
    entriesOf([started, answer(100), opens('1.0'), answer(20, '1.0'), opens('3.0', '1.0'), answer(3, '3.0'), begins('5.0', '3.0')]),
  );
  const [middle] = run.root.children;
  const [lowest] = middle?.children ?? [];
  for (const [spent, tokens, steps] of [
    [run, 123, 3],
    [run.root.spent, 123, 3],
    [middle?.spent, 23, 2],
    [lowest?.spent, 3, 1],
  ] as const)
    expect(spent).toMatchObject({ usage: { input: tokens }, nanoUsd: tokens * 1e6, toolCalls: 1, steps });
});

// holds fold.I5
test('copied entries cost a fork nothing', () => {
  const copied = [answer(100), begins('1.0'), ends('1.0')];
  const fork = { ...started, fork: { run: 'old', at: copied.length } } as Draft;
  expect(folded(entriesOf([fork, ...copied]))).toMatchObject({ usage: { input: 0 }, nanoUsd: 0, toolCalls: 0, steps: 0 });
  const own = folded(entriesOf([fork, ...copied, answer(7), begins('4.0')]));
  expect(own).toMatchObject({ usage: { input: 7 }, nanoUsd: 7e6, toolCalls: 1, steps: 1 });
});

// holds fold.I6
test('an interrupted call is unknown until its run continues; one of a sub-agent that ended stays unknown', () => {
  const cut = [started, asks('t', 'sub'), begins('1.0'), opens('1.1'), { ...asks('t'), frame: '1.1' } as Draft, begins('4.0', '1.1')];
  const unknowns = (...drafts: Draft[]) => [...folded(entriesOf([...cut, ...drafts])).unknowns.keys()];
  expect(unknowns()).toEqual([]);
  expect(unknowns(settled('paused'))).toEqual(['1.0', '4.0']);
  expect(unknowns(settled('paused'), claimed('me'))).toEqual([]);
  expect(unknowns(ends('1.1'))).toEqual(['4.0']);
  expect(unknowns(ends('1.1'), settled('paused'), claimed('me'))).toEqual(['4.0']);
});

// holds fold.I7
test('an approval keeps its first decision, a call its first result', () => {
  const no: Draft = { ...decided('x'), decision: { type: 'reject', approval: 'x' } } as Draft;
  const run = folded(
    entriesOf([started, asks('t', 't'), asked('x', '1.0'), decided('x'), no, ends('1.0', { output: 1 }), ends('1.0', { output: 2 })]),
  );
  expect([run.approvals.get('x')?.decided?.decision.type, run.decisions]).toEqual(['approve', 1]);
  expect(run.root.calls[0]?.finished?.output).toBe(1);
  expect(run.root.unfinished).toBe(1);
});

describe('the working time of a sub-agent', () => {
  const timed = (...drafts: readonly (readonly [at: number, draft: Draft])[]) =>
    folded(structuredClone(drafts).map(([at, draft], seq) => ({ ...draft, v: VERSION, seq, at }) as Entry));
  const asking = [
    [0, started],
    [0, asks('sub', 't')],
    [0, begins('1.1')],
    [0, opens('1.0')],
    [10, { ...asks('t', 't'), frame: '1.0' }],
    [10, { ...asked('x', '4.0'), frame: '1.0' }],
  ] as const;
  const worked = (...drafts: readonly (readonly [at: number, draft: Draft])[]) => timed(...asking, ...drafts).frames.get('1.0')?.workMs;
  const waiting = [10, { ...asked('y', '4.1'), frame: '1.0' }] as const;
  const end: Draft = { type: 'run.settled', status: 'stopped', ms: 2_000 };

  test.each<[string, Draft]>([
    ['ends', end],
    ['dies', claimed('me')],
  ])('leaves out its wait for a person beside others that worked, whether its process %s', (_, last) => {
    expect(worked(waiting, [1_000, decided('x')], [1_500, begins('4.0', '1.0')], [1_505, ends('4.0', {}, '1.0')], [2_000, last])).toBe(15);
  });

  test('has what it did while it waited for a person too', () => {
    const both = [10, begins('4.1', '1.0')] as const;
    expect(worked(both, [1_000, decided('x')], [1_500, ends('4.1', {}, '1.0')], [2_000, end])).toBe(1_500);
  });

  test('ends with its last entry: a decision that nothing followed adds none, in this claim or the next', () => {
    const ends = worked(waiting, [1_000, decided('x')], [2_000, claimed('me')], [3_000, begins('4.0', '1.0')], [3_007, claimed('me')]);
    expect(ends).toBe(1_010);
  });
});
