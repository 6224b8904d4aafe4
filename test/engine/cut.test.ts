import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { agent, Engine, type Journal, type Message, memoryJournal, type RunResult, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, expireLease, headOf, journals, later, leftBehind, recording } from '../kit/journals.ts';
import { anything, asks, failure, resultsIn } from '../kit/runs.ts';
import { settle, until } from '../kit/time.ts';

/** A call of a plan: what kind of tool, and whether a person must approve it. */
type Planned = 'read' | 'idem' | 'once' | 'checked' | 'signed';
type Plan = readonly (readonly Planned[])[];

/** What the tools did to the world, which survives every process: effects by their key. */
type World = Map<string, { tool: Planned; times: number }>;

/** One life of a process. When it is dead, nothing of it happens any more. */
interface Life {
  dead: boolean;
}
const never = () => new Promise<never>(() => undefined);

/** The agent, as each process has it. The model is a function of what it is shown. */
function clerk(plan: Plan, world: World, life: Life) {
  const make = (name: Planned) =>
    tool({
      name,
      description: '',
      input: anything,
      effect: name === 'read' ? 'read' : name === 'idem' ? 'idempotent' : 'once',
      approval: name === 'signed',
      execute: async ({ n }, { idempotencyKey }) => {
        if (life.dead) return never();
        const did = world.get(idempotencyKey) ?? { tool: name, times: 0 };
        world.set(idempotencyKey, { ...did, times: did.times + 1 });
        await settle(1);
        return life.dead ? never() : `${name} ${n}`;
      },
      ...(name === 'checked' && {
        check: ({ idempotencyKey, input }: { idempotencyKey: string; input: { readonly [k: string]: unknown } }) =>
          world.has(idempotencyKey) ? ({ outcome: 'done', output: `checked ${input.n}` } as const) : ({ outcome: 'not-run' } as const),
      }),
    });
  const model = scripted(({ messages }) => {
    if (life.dead) return never();
    const step = messages.filter((m) => m.role === 'assistant').length;
    const calls = plan[step];
    return calls ? asks(...calls.map((name, i) => [name, { n: `${step}.${i}` }, `c${step}.${i}`] as const)) : 'the end';
  });
  return agent({
    name: 'clerk',
    instructions: '',
    model,
    tools: (['read', 'idem', 'once', 'checked', 'signed'] as const).map(make),
    parallel: 2,
  });
}

const RUN = 'the-run';

/** Starts the run, or goes on with it, to its end; decides what is to be decided. */
async function finish(journal: Journal, plan: Plan, world: World, life: Life = { dead: false }): Promise<RunResult> {
  const a = clerk(plan, world, life);
  const engine = new Engine({ journal, agents: [a] });
  const head = await headOf(journal, RUN);
  let result = await (head ? engine.resume(RUN) : engine.run(a, 'go', { id: RUN }));
  while (result.status === 'paused') {
    for (const { id } of (await engine.inspect(RUN)).approvals)
      await engine.decide(RUN, [{ approval: id, type: 'approve' }], { by: { id: 'ben' } });
    result = await engine.resume(RUN);
  }
  return result;
}

const stateOf = async (journal: Journal): Promise<readonly Message[]> => (await new Engine({ journal }).inspect(RUN)).messages;

/** The final state equals the undisturbed one, but for an honest unknown; no effect that must not happen twice did. */
async function expectSame(journal: Journal, result: RunResult, world: World, undisturbed: readonly Message[]) {
  expect(result).toMatchObject({ status: 'completed', output: 'the end' });
  const messages = await stateOf(journal);
  const honest = new Set(
    resultsIn(messages)
      .filter((r) => r.isError)
      .map((r) => r.id),
  );
  for (const seen of resultsIn(messages)) {
    if (!honest.has(seen.id)) continue;
    expect(failure(seen)).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
    const call = messages.flatMap((m) => m.content).find((p) => p.type === 'toolCall' && p.id === seen.id);
    expect(['once', 'signed']).toContain((call as { name: string }).name);
  }
  const without = (all: readonly Message[]) =>
    all.map((m) => ({
      ...m,
      content: m.content.map((p) => (p.type === 'toolResult' && honest.has(p.id) ? { ...p, output: [], isError: true } : p)),
    }));
  expect(without(messages)).toEqual(without(undisturbed));
  for (const { tool: name, times } of world.values()) if (name !== 'read' && name !== 'idem') expect(times, name).toBe(1);
  const calls = resultsIn(undisturbed).length;
  const effects = [...world.values()].length;
  expect(effects).toBeLessThanOrEqual(calls);
  expect(effects).toBeGreaterThanOrEqual(calls - honest.size);
  const unknowns = (await new Engine({ journal }).inspect(RUN)).unknowns;
  expect(unknowns).toHaveLength(honest.size);
}

const copy = (world: World): World => new Map([...world].map(([k, v]) => [k, { ...v }]));

describe.each(journals)('a process that dies on $name', ({ make }) => {
  const plan: Plan = [['read'], ['once', 'idem', 'checked', 'read'], ['signed', 'once', 'signed'], ['idem', 'checked'], ['once']];

  // holds loop.I1, start.I1
  test('right after any append, before or after the effects that follow it, loses nothing and repeats nothing', async () => {
    const world: World = new Map();
    const inner = recording(make().journal);
    // what the world looked like after each append, and before the next
    const after: World[] = [];
    const beforeNext: World[] = [];
    const journal = around(inner.journal, {
      async append(...args) {
        if (after.length > 0) beforeNext.push(copy(world));
        await inner.journal.append(...args);
        after.push(copy(world));
        // the effects that it allows begin only now
        await settle(1);
      },
    });
    const result = await finish(journal, plan, world);
    beforeNext.push(copy(world));
    const undisturbed = await stateOf(journal);
    await expectSame(journal, result, world, undisturbed);
    const { appends } = inner;
    expect(appends.length).toBeGreaterThan(15);
    let honest = 0;
    for (let cut = 0; cut < appends.length; cut++) {
      for (const worlds of [after, beforeNext]) {
        const then = copy(worlds[cut] as World);
        const left = await leftBehind(appends.slice(0, cut + 1), make().journal);
        const resumed = await finish(left, plan, then);
        await expectSame(left, resumed, then, undisturbed);
        honest += resultsIn(await stateOf(left)).filter((r) => r.isError).length;
      }
    }
    // and that was a test of something
    expect(honest).toBeGreaterThan(3);
  });

  test('in the middle of an append, which no store should allow: it still repeats nothing, and completes', async () => {
    const world: World = new Map();
    const { journal, appends } = recording(make().journal);
    await finish(journal, plan, world);
    const entries = appends.flatMap((a) => a.entries);
    const starts = new Set(appends.map((a) => a.seq));
    for (let cut = 1; cut < entries.length; cut++) {
      if (starts.has(cut)) continue;
      const head = appends.findLast((a) => a.seq < cut)?.head as (typeof appends)[number]['head'];
      // nothing that the cut append allowed can have happened
      const then: World = new Map();
      const torn = {
        runId: RUN,
        seq: 0,
        entries: entries.slice(0, cut),
        head: { ...head, status: 'running' as const, seq: cut },
        sync: undefined,
      };
      const left = await leftBehind([torn], make().journal);
      expect(await finish(left, plan, then)).toMatchObject({ status: 'completed', output: 'the end' });
      for (const { tool: name, times } of then.values()) if (name !== 'read' && name !== 'idem') expect(times, name).toBe(1);
    }
  });
});

describe('any plan, any deaths', () => {
  const planned = fc.constantFrom<Planned>('read', 'idem', 'once', 'checked', 'signed');
  const deaths = fc.array(fc.record({ at: fc.integer({ min: 1, max: 12 }), committed: fc.boolean() }), { maxLength: 2 });

  test('end like the undisturbed run, except for an unknown outcome', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(planned, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
        deaths,
        fc.boolean(),
        async (plan, dies, slow) => {
          const calm: World = new Map();
          const quiet = memoryJournal();
          await finish(quiet, plan, calm);
          const undisturbed = await stateOf(quiet);

          const world: World = new Map();
          const journal = slow ? later(memoryJournal()) : memoryJournal();
          for (const { at, committed } of dies) {
            const life: Life = { dead: false };
            let appended = 0;
            const mortal = around(journal, {
              async append(...args) {
                if (life.dead) return never();
                const last = ++appended === at;
                if (!last || committed) await journal.append(...args);
                if (!last) return;
                life.dead = true;
                return never();
              },
              read: (...args) => (life.dead ? { [Symbol.asyncIterator]: () => ({ next: never }) } : journal.read(...args)),
              renew: (...args) => (life.dead ? never() : journal.renew(...args)),
            });
            const ended = finish(mortal, plan, world, life).then(() => 'ended');
            const died = until(() => life.dead).then(() => 'died');
            if ((await Promise.race([ended, died])) === 'ended') life.dead = true;
            await settle(2);
            await expireLease(journal, RUN);
          }
          const result = await finish(journal, plan, world);
          await expectSame(journal, result, world, undisturbed);
          const log = await entriesOf(journal, RUN);
          expect(log.map((e) => e.seq)).toEqual(log.map((_, i) => i));
        },
      ),
      { numRuns: 150 },
    );
  });
});
