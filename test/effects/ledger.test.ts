import { describe, expect, test } from 'vitest';
import { approve, Engine, graph, type Json } from '../../src/index.ts';
import { all, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { anything, ends, refused } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { actor, acts, did, listed, unindexed } from './setup.ts';

const ana = { id: 'ana', tenant: 'acme' };
const lead = { id: 'lead', tenant: 'acme' };
const order = (...rows: { outcome: string }[]) => rows.map(({ outcome }) => outcome);

describe.each(journals)('the ledger, on $name', ({ make }) => {
  test('lists every call that was not a read, newest first, with what the journal says of it', async () => {
    const { journal, another } = make();
    const engine = new Engine({ journal });
    const tools = [
      acts('pay', { key: ({ n }: { n: Json }) => `order:${n}`, amount: () => ({ usd: 12.5 }) }),
      acts('look', { effect: 'read' }),
      acts('mark', { effect: 'idempotent' }),
    ];
    const { runId } = await did(engine, tools, [[['look', {}]], [['pay', { n: 7 }]], [['mark', { n: 1 }]]], { by: ana, session: 's' });
    const found = await listed(new Engine({ journal: another() }), { by: ana });
    expect(found).toMatchObject([
      { runId, tool: 'mark', kind: 'tool', effect: 'idempotent', outcome: 'done', output: { receipt: 1 }, again: 0 },
      {
        tool: 'pay',
        effect: 'once',
        agent: ['actor'],
        session: 's',
        by: ana,
        intent: { name: 'pay', key: 'order:7' },
        amount: { usd: 12.5 },
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        output: { receipt: 7 },
      },
    ]);
    const entries = await entriesOf(journal, runId);
    const started = entries.find((e) => e.type === 'call.started' && e.call === found[1]?.callId);
    expect(found[1]).toMatchObject({ at: started?.at, allowed: { at: started?.at } });
    expect(found[1]?.allowed.by).toBeUndefined();
    expect(found[0]?.open).toBeUndefined();
  });

  test('tells how each call ended, and which of them gave up', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const steps = ['done', 'failed', 'not-run', 'unknown'].map((then) => [['act', { then }] as const]);
    await did(engine, [acts('act')], steps);
    const found = await listed(engine);
    expect(found.map(({ outcome, open }) => [outcome, open])).toEqual([
      ['unknown', true],
      ['not-run', true],
      ['failed', true],
      ['done', undefined],
    ]);
    expect(found[2]?.error).toEqual({ code: 'NO', message: expect.stringContaining('refused') });
    for (const { outcome } of found) expect(order(...(await listed(engine, { outcome })))).toEqual([outcome]);
    await refused('CONFIG_INVALID', listed(engine, { outcome: 'odd' as never }));
  });

  test('says who allowed a call, and when', async () => {
    const { journal } = make();
    const a = actor([acts('act', { approval: true })]);
    const engine = new Engine({ journal, agents: [a] });
    const { runId, approvals } = await ends(engine.run(a, JSON.stringify([[['act', {}]]]), { by: ana }), 'paused');
    expect(await listed(engine, { by: ana })).toEqual([]);
    await ends(
      engine.decide(
        runId,
        approvals.map((one) => approve(one)),
        { by: lead, resume: true },
      ),
      'completed',
    );
    const decided = (await entriesOf(journal, runId)).find((e) => e.type === 'approval.decided');
    expect(await listed(engine, { by: ana })).toMatchObject([{ allowed: { by: lead, at: decided?.at } }]);
  });

  test('counts how often a done intent was asked for again, and lists it once', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const tools = [acts('pay', { key: () => 'order:7', amount: () => ({ usd: 5 }) })];
    const { runId } = await did(engine, tools, [[['pay', { n: 7 }]], [['pay', { n: 7 }]]]);
    await did(engine, tools, [[['pay', { n: 7 }]]]);
    expect(await listed(engine)).toMatchObject([{ runId, again: 2, outcome: 'done' }]);
    expect(await engine.effectSums()).toMatchObject([{ tool: 'pay', done: 1, amounts: { usd: 5 } }]);
  });

  test('lists calls that still run, and calls of a process that is gone as unknown', async () => {
    const { journal, another } = make();
    const begun = deferred();
    const go = deferred<Json>();
    const engine = new Engine({ journal });
    const run = engine.run(actor([acts('act', { execute: () => (begun.resolve(), go.promise) })]), JSON.stringify([[['act', {}]]]));
    run.then(undefined, () => undefined);
    await begun.promise;
    const other = new Engine({ journal: another() });
    expect(order(...(await listed(other)))).toEqual(['running']);
    expect(order(...(await listed(other, { outcome: 'running' })))).toEqual(['running']);
    expect(await listed(other, { outcome: 'unknown' })).toEqual([]);
    await expireLease(journal, run.id);
    expect(order(...(await listed(other, { outcome: 'unknown' })))).toEqual(['unknown']);
    expect(await listed(other, { outcome: 'running' })).toEqual([]);
    go.resolve('ok');
    await Promise.resolve(run).catch(() => undefined);
    expect(order(...(await listed(other)))).toEqual(['done']);
  });

  test('a late result and an operator settle what was unknown', async () => {
    const { journal } = make();
    const slow = deferred<Json>();
    const engine = new Engine({ journal });
    const tools = [acts('late', { timeout: 5, execute: () => slow.promise }), acts('act')];
    const { runId } = await did(engine, tools, [[['late', {}]], [['act', { then: 'unknown' }]]]);
    const [act] = await listed(engine, { outcome: 'unknown' });
    slow.resolve('it was late');
    const late = await until(async () => (await listed(engine, { tool: 'late', outcome: 'done' }))[0]);
    expect(late.output).toBe('it was late');
    expect([late.open, late.error]).toEqual([undefined, undefined]);
    await engine.settle(runId, act?.callId ?? '', { outcome: 'not-run', by: lead });
    expect(await listed(engine, { tool: 'act' })).toMatchObject([{ outcome: 'not-run', error: { code: expect.any(String) } }]);
    expect((await listed(engine, { tool: 'act' }))[0]?.open).toBeUndefined();
  });

  test('lists the durable steps of a node, and not the node', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const g = graph({
      name: 'work',
      state: anything,
      nodes: {
        one: async (_, ctx) => {
          await ctx.durable('look', () => 1, { effect: 'read' });
          await ctx.durable('book', () => ({ seat: 3 }), { effect: 'once' });
          return {};
        },
      },
      edges: { start: 'one', one: 'end' },
    });
    await ends(engine.run(g, {}), 'completed');
    expect(await listed(engine)).toMatchObject([{ tool: 'book', kind: 'step', agent: ['work'], outcome: 'done', output: { seat: 3 } }]);
  });

  test('is read by tool, run, session, time and page', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const tools = [acts('a'), acts('b', { effect: 'idempotent' })];
    const both = [[['a', {}] as const, ['b', {}] as const]];
    const first = await did(engine, tools, both, { by: ana, session: 's' });
    await new Promise((resolve) => setTimeout(resolve, 3));
    const second = await did(engine, tools, both, { by: ana, session: 't' });
    const names = async (o: Parameters<typeof listed>[1]) => (await listed(engine, { by: ana, ...o })).map((e) => `${e.tool} ${e.runId}`);
    expect((await names({})).sort()).toEqual(['a', 'b'].flatMap((t) => [first, second].map(({ runId }) => `${t} ${runId}`)).sort());
    expect((await names({ tool: 'a' })).sort()).toEqual([`a ${first.runId}`, `a ${second.runId}`].sort());
    expect((await names({ run: first.runId })).sort()).toEqual([`a ${first.runId}`, `b ${first.runId}`]);
    expect((await names({ session: 't' })).sort()).toEqual([`a ${second.runId}`, `b ${second.runId}`]);
    const at = (await listed(engine, { by: ana, run: second.runId })).at(-1)?.at ?? 0;
    expect((await names({ since: at })).length).toBe(2);
    const whole = await listed(engine, { by: ana });
    const paged = [];
    for (let cursor = undefined as (typeof whole)[0] | undefined; ; ) {
      const [next] = await listed(engine, { by: ana, limit: 1, ...(cursor && { cursor }) });
      if (!next) break;
      paged.push(next);
      cursor = next;
    }
    expect(paged).toEqual(whole);
  });

  test('is visible as runs are', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    await did(engine, [acts('act')], [[['act', {}]]], { by: ana });
    expect(await listed(engine, { by: { id: 'eve', tenant: 'evil' } })).toEqual([]);
    expect(await listed(engine)).toEqual([]);
    expect(await engine.effectSums()).toEqual([]);
    const policy = {
      decide: () => ({ allow: true }),
      access: ({ by }: { by?: { id: string } | undefined }) => ({ allow: by?.id === 'ana' }),
    };
    const strict = new Engine({ journal, policy });
    expect(await listed(strict, { by: lead })).toEqual([]);
    expect(await strict.effectSums({ by: lead })).toEqual([]);
    expect(await listed(strict, { by: ana })).toHaveLength(1);
    expect(await strict.effectSums({ by: ana })).toHaveLength(1);
  });

  test('goes with the run, and with what was asked again', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const tools = [acts('pay', { key: () => 'order:7' })];
    const first = await did(engine, tools, [[['pay', {}]]]);
    const second = await did(engine, tools, [[['pay', {}]]]);
    await engine.forget(second.runId);
    expect(await listed(engine)).toMatchObject([{ again: 0 }]);
    await engine.forget(first.runId);
    expect(await listed(engine)).toEqual([]);
  });

  test('a fork lists only what it did itself', async () => {
    const { journal } = make();
    const a = actor([acts('act')]);
    const engine = new Engine({ journal, agents: [a] });
    const { runId } = await ends(engine.run(a, JSON.stringify([[['act', { n: 1 }]], [['act', { n: 2 }]]])), 'completed');
    const at = (await entriesOf(journal, runId)).find((e) => e.type === 'call.finished')?.seq ?? 0;
    const forked = await ends(engine.fork(runId, { at }), 'completed');
    expect(await listed(engine, { run: forked.runId })).toMatchObject([{ output: { receipt: 2 } }]);
    expect(await listed(engine)).toHaveLength(3);
  });

  test('sums by day and tool, exactly, in the days of a time zone', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const tools = [acts('pay', { amount: ({ usd }: { usd: number }) => ({ usd }) })];
    const pay = (usd: number, then = 'done') => ['pay', { usd, then }] as const;
    await did(engine, tools, [[pay(0.1)], [pay(0.2)], [pay(1, 'failed')], [pay(2, 'not-run')], [pay(4, 'unknown')]]);
    const [sum, ...rest] = await engine.effectSums();
    expect(rest).toEqual([]);
    expect(sum).toMatchObject({ tool: 'pay', done: 2, failed: 1, notRun: 1, unknown: 1, amounts: { usd: 4.3 } });
    const at = (await listed(engine))[0]?.at ?? 0;
    expect(sum?.day).toBe(new Date(at).toISOString().slice(0, 10));
    const far = await engine.effectSums({ timezone: 'Pacific/Kiritimati' });
    expect(far[0]?.day).toBe(new Date(at + 14 * 3_600_000).toISOString().slice(0, 10));
    expect(await engine.effectSums({ since: at + 60_000 })).toEqual([]);
    await refused('CONFIG_INVALID', engine.effectSums({ timezone: 'Mars/Olympus' }));
  });

  test('is the same from the index, from the entries alone, and from an index that was rebuilt', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const tools = [
      acts('a'),
      acts('b', { effect: 'idempotent' }),
      acts('c', { effect: 'read' }),
      acts('k', { key: ({ n }: { n: Json }) => `k${n}` }),
    ];
    let state = 7;
    const pick = <T>(...of: readonly T[]): T => {
      state = (state * 48_271) % 2_147_483_647;
      return of[state % of.length] as T;
    };
    for (let run = 0; run < 12; run++) {
      const steps = Array.from({ length: pick(1, 2, 3) }, () =>
        Array.from({ length: pick(1, 2) }, () => {
          const name = pick('a', 'b', 'c', 'k');
          return [name, { n: pick(1, 2), then: name === 'k' ? 'done' : pick('done', 'failed', 'not-run', 'unknown') }] as const;
        }),
      );
      const { runId } = await did(engine, tools, steps);
      for (const { callId } of await listed(engine, { run: runId, outcome: 'unknown' }))
        if (pick(true, false))
          await engine.settle(runId, callId, { outcome: pick('done', 'failed', 'not-run'), by: lead }).catch(() => undefined);
    }
    const sorted = (effects: readonly { runId: string; callId: string }[]) =>
      [...effects].sort((a, b) => (a.runId + a.callId < b.runId + b.callId ? -1 : 1));
    const rows = async () => (await all(journal.effects?.({ tenant: undefined, limit: 1_000 }) ?? [])).map((r) => JSON.stringify(r)).sort();
    const before = await rows();
    expect(before.length).toBeGreaterThan(20);
    const indexed = sorted(await listed(engine));
    expect(sorted(await listed(new Engine({ journal: unindexed(journal) })))).toEqual(indexed);
    for (const head of await all(journal.heads({}))) {
      const { seq } = (await entriesOf(journal, head.runId)).at(-1) as { seq: number };
      await journal.append(head.runId, seq + 1, [], head, { effects: [{ to: 'rebuilt' }] });
    }
    expect(await rows()).toEqual([]);
    expect(await engine.rebuildEffects()).toEqual({ runs: 12, effects: before.length });
    expect(await rows()).toEqual(before);
    await refused('CONFIG_INVALID', new Engine({ journal: unindexed(journal) }).rebuildEffects());
  });
});
