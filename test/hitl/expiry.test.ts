import { describe, expect, test } from 'vitest';
import { agent, Engine, type Journal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, around, entriesOf, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { ben, clock, elsewhere, refunding } from './setup.ts';

describe.each(journals)('expiry on $name', ({ make }) => {
  test('is counted and judged by the clock of the store, not of this process', async () => {
    const { journal, time } = clock(make().journal);
    const { a } = refunding({ rule: { expires: 60_000 } });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    expect(paused.approvals[0].expiresAt).toBe(1_060_000);
    time.now = 1_059_999;
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
  });

  test.each([86_400_000 / 7, 0.4])('after %d milliseconds comes at a whole one, as a store keeps it', async (expires) => {
    const { journal, time } = clock(make().journal, Date.now());
    const { a } = refunding({ rule: { expires } });
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    expect(paused.approvals[0].expiresAt).toBe(Math.ceil(time.now + expires));
    expect((await headOf(journal, paused.runId))?.wakeAt).toBe(paused.approvals[0].expiresAt);
  });

  test.each([Number.MAX_SAFE_INTEGER, 8.64e15, 1e300, Number.POSITIVE_INFINITY])('after %d milliseconds never comes', async (expires) => {
    const { journal, another } = make();
    const { a, ledger } = refunding({ rule: { expires } });
    const paused = await ends(new Engine({ journal }).run(a, 'go', { by: { id: 'ana' } }), 'paused');
    expect(paused.approvals[0].expiresAt).toBeUndefined();
    // a value that the store cannot read back would fail the lists of all
    const engine = new Engine({ journal: another(), agents: [a] });
    expect(await all(engine.approvals({ by: ben }))).toHaveLength(1);
    expect(await all(engine.runs({ by: ben }))).toHaveLength(1);
    await ends(
      engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben, resume: true }),
      'completed',
    );
    expect(ledger).toHaveLength(1);
  });

  test('of an approval that was decided while the owner of the run found it expired: the decision counts', async () => {
    const { journal: kept, time } = clock(make().journal, Date.now());
    const held = deferred();
    const wait = tool({ name: 'wait', description: '', input: anything, approval: true, execute: () => held.promise.then(() => 'ok') });
    let paid = 0;
    const pay = tool({ name: 'pay', description: '', input: anything, approval: { expires: 1_000 }, execute: () => ++paid });
    const model = scripted([asks(['pay', {}], ['wait', {}]), 'done']);
    const b = agent({ name: 'b', instructions: '', model, tools: [pay, wait] });
    const paused = await ends(new Engine({ journal: kept }).run(b, 'go'), 'paused');
    const [first, second] = ['pay', 'wait'].map((name) => paused.approvals.find((p) => p.kind === 'tool' && p.tool === name)?.id ?? '');
    const decider = new Engine({ journal: kept });
    await decider.decide(paused.runId, [{ approval: second as string, type: 'approve' }], { by: ben });
    let decided = false;
    // it is decided at the last moment, and before the owner writes that it expired
    const owner = around(kept, {
      async append(...args: Parameters<Journal['append']>) {
        if (args[2].some((entry) => entry.type === 'call.finished' && entry.error?.code === 'APPROVAL_EXPIRED') && !decided) {
          decided = true;
          time.now -= 2_000;
          await decider.decide(paused.runId, [{ approval: first as string, type: 'approve' }], { by: ben });
          time.now += 2_000;
        }
        return kept.append(...args);
      },
    });
    const running = new Engine({ journal: owner, agents: [b] }).resume(paused.runId);
    await until(async () => (await entriesOf(kept, paused.runId)).some((entry) => entry.type === 'call.started'));
    time.now += 2_000;
    held.resolve();
    await ends(running, 'completed');
    expect([decided, paid]).toEqual([true, 1]);
    expect(shown(model.requests[1])).toMatchObject([{ isError: false }, { isError: false }]);
  });

  test('a decision that comes too late is refused, and the agent is told when the run goes on', async () => {
    const { journal, time } = clock(make().journal, Date.now());
    const { a, ledger, model } = refunding({ rule: { expires: 60_000 } });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    time.now += 60_001;
    const error = await refused(
      'APPROVAL_EXPIRED',
      engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben }),
    );
    expect(error.message).toContain('resume');
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toEqual([]);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'APPROVAL_EXPIRED', outcome: 'not-run', attempts: 0 });
  });

  test('is told by every list, until the run is resumed', async () => {
    const { journal, time } = clock(make().journal, Date.now());
    const { a } = refunding({ rule: { expires: 60_000 } });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go', { session: 's' }), 'paused');
    const expired = async () => {
      const state = await engine.inspect(paused.runId);
      const busy = await refused('SESSION_BUSY', engine.run(a, 'more', { session: 's' }));
      const told = (busy.details as { approvals: { expired?: true }[] }).approvals;
      const lists = [await all(engine.approvals()), state.approvals, state.result?.status === 'paused' ? state.result.approvals : [], told];
      return lists.map((list) => list.map((approval) => approval.expired));
    };
    expect(await expired()).toEqual([[undefined], [undefined], [undefined], [undefined]]);
    time.now = paused.approvals[0].expiresAt as number;
    expect(await expired()).toEqual([[true], [true], [true], [true]]);
    await ends(engine.resume(paused.runId), 'completed');
    expect(await all(engine.approvals())).toEqual([]);
  });

  test('needs no timer: before it, a resume leaves the run as it is', async () => {
    const { journal, time } = clock(make().journal, Date.now());
    const { a, model } = refunding({ rule: { expires: 60_000 } });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    time.now += 30_000;
    const before = await entriesOf(journal, paused.runId);
    expect(await engine.resume(paused.runId)).toEqual(paused);
    expect(await entriesOf(journal, paused.runId)).toEqual(before);
    expect(model.requests).toHaveLength(1);
  });

  test('wakeAt is when the first open approval expires', async () => {
    const { journal } = clock(make().journal, Date.now());
    const { a } = refunding({ rule: { expires: 60_000 }, steps: [asks(['refund', { cents: 1 }], ['refund', { cents: 2 }])] });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    expect((await all(engine.runs()))[0]?.wakeAt).toBe(Math.min(...paused.approvals.map((p) => p.expiresAt as number)));
    expect((await headOf(journal, paused.runId))?.wakeAt).toBe(paused.approvals[0].expiresAt);
  });

  test('sweep() drives on the run whose approval expired, in another process, and only that one', async () => {
    const store = make();
    const { journal, time } = clock(store.journal, Date.now());
    const { a, model } = refunding({ rule: { expires: 60_000 } });
    const open = refunding({ name: 'open', rule: true });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const waiting = await ends(engine.run(open.a, 'go'), 'paused');
    const other = elsewhere(around(store.another(), { now: () => time.now }), a, { agents: [a, open.a] });
    expect(await all(other.sweep())).toEqual([]);
    time.now += 60_000;
    const runs = await all(other.sweep());
    expect(runs.map((r) => r.runId)).toEqual([paused.runId]);
    await ends((runs[0] as (typeof runs)[number]).run, 'completed');
    expect(failure(shown(model.requests[1])[0]).code).toBe('APPROVAL_EXPIRED');
    expect((await other.inspect(waiting.runId)).status).toBe('paused');
    expect(await all(other.sweep())).toEqual([]);
  });

  test.each([1_000_000, Date.now() + 3_600_000])(
    'sweep() drives on a run that was decided and that no one resumed (store clock at %d)',
    async (start) => {
      const { journal } = clock(make().journal, start);
      const { a, ledger } = refunding();
      const engine = new Engine({ journal });
      const paused = await ends(engine.run(a, 'go'), 'paused');
      await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
      const [swept] = await all(engine.sweep());
      expect(swept?.runId).toBe(paused.runId);
      await ends((swept as NonNullable<typeof swept>).run, 'completed');
      expect(ledger).toHaveLength(1);
    },
  );

  test('sweep() leaves alone a run of an agent it does not know', async () => {
    const { journal, time } = clock(make().journal, Date.now());
    const { a } = refunding({ rule: { expires: 60_000 } });
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    time.now += 60_001;
    const stranger = new Engine({ journal });
    expect(await all(stranger.sweep())).toEqual([]);
    expect((await stranger.inspect(paused.runId)).status).toBe('paused');
  });

  test('of one of two approvals leaves the other open, and the run is due when that one expires', async () => {
    const { journal, time } = clock(make().journal, Date.now());
    let expires = 1_000;
    const sign = tool({
      name: 'sign',
      description: '',
      input: anything,
      approval: () => {
        expires += 1_000;
        return { expires };
      },
      execute: () => 1,
    });
    const b = agent({ name: 'b', instructions: '', model: scripted([asks(['sign', {}], ['sign', {}]), 'done']), tools: [sign] });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(b, 'go'), 'paused');
    time.now += 2_500;
    const still = await ends(engine.resume(paused.runId), 'paused');
    expect(still.approvals.map((p) => p.id)).toEqual([paused.approvals[1]?.id]);
    expect((await headOf(journal, paused.runId))?.wakeAt).toBe(paused.approvals[1]?.expiresAt);
    time.now += 1_000;
    await ends(engine.resume(paused.runId), 'completed');
  });
});
