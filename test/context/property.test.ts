import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  agent,
  approve,
  type Compaction,
  clearToolResults,
  Engine,
  type Journal,
  keepLast,
  type Message,
  type ModelRequest,
  memoryJournal,
  type RunResult,
  summarise,
  ToolError,
  tool,
} from '../../src/index.ts';
import { checkPrefixes } from '../../src/testing/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { around, expireLease } from '../kit/journals.ts';
import { anything } from '../kit/runs.ts';
import { assertSendable, saidIn } from './setup.ts';

interface Plan {
  /** The calls of each step of each run: how long their results are. 0: it fails, below 0: a person is asked. */
  runs: number[][][];
  policies: Compaction[];
  pinned: number;
  /** Characters of the longest request that the model takes. */
  room: number;
  /** The append at which the process dies; none if there are fewer. */
  dies: number;
}

const over = fc.integer({ min: 200, max: 4_000 });
const writer = () => scripted(() => ({ text: 'in short', usage: { input: 50, output: 5 } }));
/** A policy of the application: it leaves out pairs at random, and clears what it finds. */
const random = fc.array(fc.nat(9), { minLength: 1, maxLength: 6 }).map(
  (at): Compaction => ({
    name: 'random',
    clears: true,
    compact({ messages, refusals }) {
      if (refusals === 0 && messages.length % 3 > 0) return undefined;
      const pairs = messages.flatMap(({ role }, i) => (role === 'tool' ? [i] : []));
      const drop = at.flatMap((n) => (pairs[n] === undefined ? [] : [pairs[n] - 1, pairs[n]]));
      const clear = pairs.flatMap((i): [number, number][] => (drop.includes(i) || at.includes(i % 10) ? [] : [[i, 0]]));
      return { drop, clear, ...(at.length % 2 === 0 && { summary: `of ${drop.length}` }) };
    },
  }),
);
const policy = fc.oneof(
  fc.record({ n: fc.integer({ min: 1, max: 8 }), over: fc.option(over, { nil: undefined }) }).map(({ n, over }) => keepLast(n, { over })),
  fc.record({ over, keep: fc.nat(4), least: fc.integer({ min: 1, max: 300 }) }).map((o) => clearToolResults(o)),
  fc.record({ over, keep: fc.integer({ min: 1, max: 6 }) }).map((o) => summarise({ ...o, model: writer() })),
  random,
);
const step = fc.array(fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 3_000 }) }, fc.constantFrom(0, -1)), {
  minLength: 1,
  maxLength: 3,
});
const plan: fc.Arbitrary<Plan> = fc.record({
  runs: fc.array(fc.array(step, { maxLength: 8 }), { minLength: 1, maxLength: 3 }),
  policies: fc.array(policy, { minLength: 1, maxLength: 3 }),
  pinned: fc.nat(9),
  room: fc.constantFrom(6_000, 12_000, 1e9, 1e9),
  dies: fc.nat(40),
});

const isPinned =
  (n: number) =>
  ({ content }: Message): boolean =>
    content.some((part) => part.type === 'toolCall' && part.id.endsWith(`${n}`));

// holds compact.I1, compact.I2, compact.I3
test('every request can be sent, and begins with the one before unless an entry stands between', async () => {
  await fc.assert(
    fc.asyncProperty(plan, async ({ runs, policies, pinned, room, dies }) => {
      const store = memoryJournal();
      let appends = 0;
      const journal = (mortal: boolean): Journal =>
        around(store, {
          append(...args) {
            if (mortal && ++appends > dies) throw new Error('the process is gone');
            return store.append(...args);
          },
          renew: (...args) => (mortal && appends > dies ? true : store.renew(...args)),
        });
      /** The requests of the agent, with the number of entries that were written before. */
      const sent: { request: ModelRequest; entries: number; run: number }[] = [];
      let entries = 0;
      let run = 0;
      let ids = 0;
      const model = scripted((request): Scripted => {
        sent.push({ request: { ...request, messages: [...request.messages] }, entries, run });
        if (saidIn(request).length > room) return { error: 'CONTEXT_TOO_LONG' };
        const steps = runs[run] ?? [];
        const done = sent.filter((s) => s.run === run && saidIn(s.request).length <= room).length - 1;
        const calls = steps[done];
        return calls ? { toolCalls: calls.map((n) => ({ name: n < 0 ? 'ask' : 'lookup', input: { n }, id: `c${ids++}` })) } : 'done';
      });
      const lookup = tool({
        name: 'lookup',
        description: '',
        input: anything,
        effect: 'read',
        retry: { attempts: 1 },
        execute: ({ n }) => {
          if (n === 0) throw new ToolError('NOT_THERE', 'nothing there');
          return 'x'.repeat(Number(n));
        },
      });
      const ask = tool({ name: 'ask', description: '', input: anything, approval: true, execute: () => 'signed' });
      const a = agent({ name: 'a', instructions: 'Go.', model, tools: [lookup, ask], compact: policies, pin: isPinned(pinned) });
      const made = (mortal: boolean) =>
        new Engine({
          journal: journal(mortal),
          agents: [a],
          onEvent: ({ type }) => {
            if (type === 'context.compacted' || type === 'context.changed') entries++;
          },
        });
      let engine = made(true);
      for (; run < runs.length; run++) {
        const id = `run-${run}`;
        // if the process is gone, another one goes on
        const go = (attempt: PromiseLike<RunResult>) =>
          Promise.resolve(attempt).catch(async (error) => {
            if (!String(error).includes('the process is gone')) throw error;
            engine = made(false);
            await expireLease(store, id);
            return engine.resume(id).catch(() => engine.run(a, `task ${run}`, { id, session: 's' }));
          });
        let result = await go(engine.run(a, `task ${run}`, { id, session: 's' }));
        while (result.status === 'paused')
          result = await go(
            engine.decide(
              id,
              result.approvals.map((approval) => approve(approval)),
              { by: { id: 'ben' }, resume: true },
            ),
          );
        if (result.status !== 'completed') expect(result).toMatchObject({ status: 'failed', error: { code: 'CONTEXT_TOO_LONG' } });
        const state = await engine.inspect(id);
        const seen = state.seen ?? state.messages;
        // what is pinned is seen, and so is the task
        for (const message of state.messages.filter(isPinned(pinned))) expect(seen).toContainEqual(message);
        // another process reads the same from the journal
        expect(await made(false).inspect(id)).toEqual(state);
        // the whole conversation holds every result as it was
        expect(
          state.messages.flatMap(({ content }) => content).filter((part) => part.type === 'toolResult' && part.cleared?.run === id),
        ).toEqual([]);
      }
      sent.forEach(({ request, entries, run }, i) => {
        assertSendable(request.messages);
        expect(saidIn(request)).toContain(`task ${run}`);
        const before = sent[i - 1];
        if (!before || before.entries !== entries) return;
        checkPrefixes([before.request, request]);
      });
    }),
    { numRuns: 80 },
  );
});
