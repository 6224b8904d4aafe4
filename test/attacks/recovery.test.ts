/** What a process that takes over is told by others: tools, checks, operators, heads. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type CheckResult, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, around, entriesOf, expireLease, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, shown } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { type Anything, clerk, finishedIn, ledgered, nested, never, pause, settled } from './setup.ts';

const by = { id: 'ana', roles: ['lead'] };
const operator = { id: 'op' };

describe.each(journals)('on $name', ({ make }) => {
  /** A run whose process stopped while `act` ran; `make` builds the agent, again in the process that takes over. */
  async function stopped(options: object, o: { context?: unknown } = {}) {
    const { journal, another } = make();
    const runs: Anything[] = [];
    const begun = deferred();
    let dead = true;
    const act = tool({
      name: 'act',
      description: '',
      input: anything,
      ...options,
      execute: (_: unknown, ctx: Anything) => {
        runs.push(structuredClone(ctx.context));
        begun.resolve();
        return dead ? never() : 'done';
      },
    } as Anything);
    const model = scripted([asks(['act', {}]), 'done']);
    const a = clerk(model, [act]);
    const run = new Engine({ journal }).run(a, 'go', { by, ...o } as never);
    await begun.promise;
    dead = false;
    await expireLease(journal, run.id);
    const other = () => new Engine({ journal: another(), agents: [a] });
    return { engine: other(), another: other, runId: run.id, runs, model, journal };
  }

  test('a call that runs again gets what its context schema made of the context, and so does a check', async () => {
    const context = z.object({ tenant: z.string().default('acme'), n: z.coerce.number() });
    const again = await stopped({ effect: 'idempotent', context }, { context: { n: '5' } });
    await ends(again.engine.resume(again.runId), 'completed');
    expect(again.runs).toEqual([
      { tenant: 'acme', n: 5 },
      { tenant: 'acme', n: 5 },
    ]);
    const checked: unknown[] = [];
    const check = (q: Anything) => (checked.push(q.context), { outcome: 'not-run' });
    const once = await stopped({ effect: 'once', context, check }, { context: { n: '5' } });
    await ends(once.engine.resume(once.runId), 'completed');
    expect(checked).toEqual([{ tenant: 'acme', n: 5 }]);
  });

  const said: readonly [string, () => unknown, boolean][] = [
    ['10 MB', () => ({ outcome: 'done', output: 'x'.repeat(1e7) }), true],
    ['a bigint', () => ({ outcome: 'done', output: 1n }), true],
    [
      'something cyclic',
      () => {
        const output: Anything = {};
        output.a = output;
        return { outcome: 'done', output };
      },
      true,
    ],
    ['something deep', () => ({ outcome: 'done', output: nested(100_000) }), true],
    [
      'a getter that throws',
      () => ({
        outcome: 'done',
        output: {
          get a() {
            throw new Error('no');
          },
        },
      }),
      true,
    ],
    ['nothing', () => undefined, false],
    ['null', () => null, false],
    ['a text', () => 'done', false],
    ['another outcome', () => ({ outcome: 'success' }), false],
    [
      'a throw',
      () => {
        throw null;
      },
      false,
    ],
  ];
  test.each(said)('a check that returns %s does not end the run, and proves nothing else', async (_, check, done) => {
    const { engine, runId, model, runs, journal } = await stopped({ effect: 'once', maxBytes: 1_000, check });
    await ends(engine.resume(runId), 'completed');
    expect(runs).toHaveLength(1);
    const [told] = shown(model.requests[1]);
    expect(told?.text.length).toBeLessThan(3_000);
    expect(told?.isError).toBe(!done);
    const [finished] = finishedIn(await entriesOf(journal, runId));
    expect(JSON.stringify(finished).length).toBeLessThan(4_000);
    expect((await engine.inspect(runId)).unknowns).toHaveLength(done ? 0 : 1);
  });

  test("a check's result is shown the way the tool shows it", async () => {
    const check = (): CheckResult<unknown> => ({ outcome: 'done', output: { id: 7, secret: 'internal' } });
    const { engine, runId, model } = await stopped({ effect: 'once', check, toModel: ({ id }: Anything) => `order ${id}` });
    await ends(engine.resume(runId), 'completed');
    expect(shown(model.requests[1])[0]).toMatchObject({ text: 'order 7', isError: false });
  });

  test('settle() accepts only valid statements of an operator', async () => {
    const { journal } = make();
    const { tool: act } = ledgered({ timeout: 5, execute: never });
    const engine = new Engine({ journal });
    const { runId } = await ends(engine.run(clerk(scripted([asks(['act', {}]), 'done']), [act]), 'go'), 'completed');
    const [unknown] = (await engine.inspect(runId)).unknowns;
    const call = unknown?.callId as string;
    const before = await entriesOf(journal, runId);
    const bad: readonly Anything[] = [
      { outcome: 'bogus', by: operator },
      { by: operator },
      {},
      { outcome: 'done' },
      { outcome: 'done', by: {} },
      { outcome: 'done', by: operator, output: 1n },
      { outcome: 'done', by: operator, output: nested(50_000) },
      { outcome: 'done', by: operator, output: 'x'.repeat(1e7) },
      { outcome: 'done', by: operator, note: { a: 1 } },
    ];
    for (const o of bad)
      expect(
        await engine.settle(runId, call, o).then(
          () => 'accepted',
          (e) => e.code,
        ),
        JSON.stringify(Object.keys(o)),
      ).toMatch(/^(DECISION_INVALID|NOT_PERMITTED|CONFIG_INVALID)$/);
    for (const id of ['9.9', '__proto__', '', 'x'.repeat(1e6)])
      expect(await engine.settle(runId, id, { outcome: 'done', by: operator }).catch((e) => e.code)).toBe('CALL_NOT_FOUND');
    expect(await entriesOf(journal, runId)).toEqual(before);
    const output = { a: 1 };
    await engine.settle(runId, call, { outcome: 'done', output, by: operator });
    output.a = 2;
    expect((await entriesOf(journal, runId)).at(-1)).toMatchObject({ source: 'operator', output: { a: 1 } });
    expect(await engine.settle(runId, call, { outcome: 'failed', by: operator }).catch((e) => e.code)).toBe('CALL_NOT_FOUND');
  });

  test('a decision without a resume is found by sweep(), whatever was appended after it', async () => {
    const { journal } = make();
    const slow = ledgered({ name: 'slow', timeout: 5, execute: never });
    const { tool: act, ledger } = ledgered({ approval: true });
    const engine = new Engine({ journal });
    const paused = await ends(
      engine.run(clerk(scripted([asks(['slow', {}], ['act', { n: 1 }], ['act', { n: 2 }]), 'done']), [slow.tool, act]), 'go'),
      'paused',
    );
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by });
    const [unknown] = (await engine.inspect(paused.runId)).unknowns;
    await engine.settle(paused.runId, unknown?.callId as string, { outcome: 'done', by: operator });
    const swept: string[] = [];
    for await (const found of engine.sweep()) {
      const run = found as Anything;
      swept.push(run.runId ?? run.id);
      await (run.run ?? run);
    }
    expect(swept).toEqual([paused.runId]);
    expect(ledger).toEqual([{ n: 1 }]);
    // and not again, now that it waits for the second
    expect(await all(engine.sweep())).toEqual([]);
  });

  test('a `once` call that a limit interrupted is listed until its outcome is known', async () => {
    const { journal } = make();
    const { tool: act, ledger } = ledgered({ execute: never });
    const engine = new Engine({ journal });
    const model = scripted([asks(['act', { n: 1 }]), 'done']);
    const { runId } = await ends(engine.run(clerk(model, [act]), 'go', { limits: { time: 150 } }), 'stopped');
    const { unknowns } = await engine.inspect(runId);
    expect(unknowns).toMatchObject([{ tool: 'act', input: { n: 1 } }]);
    expect((await headOf(journal, runId))?.unknowns).toBe(1);
    await engine.settle(runId, unknowns[0]?.callId as string, { outcome: 'done', output: 'order 7', by: operator });
    expect((await engine.inspect(runId)).unknowns).toEqual([]);
    await ends(engine.resume(runId, { limits: { time: 60_000 } }), 'completed');
    expect(shown(model.requests[1])[0]).toMatchObject({ text: 'order 7', isError: false });
    expect(ledger).toHaveLength(1);
  });

  test('so is one that a crash loop interrupted', async () => {
    const { engine, runId, journal, another } = await stopped({ effect: 'once', check: never });
    const abandonedBy = [engine.resume(runId)];
    for (let i = 0; i < 3; i++) {
      await pause(15);
      await expireLease(journal, runId);
      abandonedBy.push(another().resume(runId));
    }
    const last = (await settled(abandonedBy.at(-1) as PromiseLike<Anything>)) as Anything;
    expect(last).toMatchObject({ status: 'failed', error: { code: 'CRASH_LOOP' } });
    expect((await engine.inspect(runId)).unknowns).toHaveLength(1);
    expect((await headOf(journal, runId))?.unknowns).toBe(1);
  });

  test('after an approval expired the agent may ask again', async () => {
    const { journal } = make();
    let ahead = 0;
    const clock = around(journal, { now: () => Date.now() + ahead });
    const { tool: act, ledger } = ledgered({ approval: { expires: 60_000 } });
    const model = scripted([asks(['act', { n: 1 }]), asks(['act', { n: 2 }]), asks(['act', { n: 3 }]), 'done']);
    const engine = new Engine({ journal: clock });
    let paused = await ends(engine.run(clerk(model, [act]), 'go'), 'paused');
    for (const n of [2, 3]) {
      ahead += 100_000;
      paused = await ends(engine.resume(paused.runId), 'paused');
      expect(paused.approvals).toMatchObject([{ input: { n } }]);
      expect((await engine.inspect(paused.runId)).approvals).toEqual(paused.approvals);
    }
    expect(await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by })).toEqual([]);
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toEqual([{ n: 3 }]);
  });
});
