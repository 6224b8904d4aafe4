import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, entryOf, expireLease, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const named = (
  name: string,
  ...steps: Parameters<typeof scripted>[0] extends infer S ? (S extends readonly (infer I)[] ? I[] : never) : never
) => agent({ name, instructions: '', model: scripted(steps) });

describe.each(journals)('finding runs on $name', ({ make }) => {
  test('RUN_EXISTS: an id starts one run, in this process and in another, while it runs and after', async () => {
    const { journal, another } = make();
    const hold = deferred();
    let ran = 0;
    const slow = tool({
      name: 'slow',
      description: '',
      input: anything,
      execute: () => {
        ran++;
        return hold.promise;
      },
    });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'done', 'never']), tools: [slow] });
    const engine = new Engine({ journal });
    const other = new Engine({ journal: another() });
    const run = engine.run(a, 'go', { id: 'req-1' });
    await entryOf(journal, 'req-1', 'call.started');
    expect((await refused('RUN_EXISTS', engine.run(a, 'go', { id: 'req-1' }))).details).toMatchObject({ runId: 'req-1' });
    await refused('RUN_EXISTS', other.run(a, 'go', { id: 'req-1' }));
    hold.resolve();
    await ends(run, 'completed');
    await refused('RUN_EXISTS', engine.run(a, 'go', { id: 'req-1' }));
    await refused('RUN_EXISTS', other.run(a, 'go', { id: 'req-1' }));
    expect(ran).toBe(1);
  });

  test('RUN_EXISTS: of two that start one id at once, one does', async () => {
    const { journal, another } = make();
    const outcomes = await Promise.allSettled([
      new Engine({ journal }).run(named('a', 'done'), 'go', { id: 'r' }),
      new Engine({ journal: another() }).run(named('a', 'done'), 'go', { id: 'r' }),
    ]);
    expect(outcomes.map((o) => o.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await entriesOf(journal, 'r')).map((e) => e.type)).toEqual(['run.started', 'model.responded', 'run.settled']);
  });

  test('RUN_NOT_FOUND: by every method, the same', async () => {
    const { journal } = make();
    const engine = new Engine({ journal, agents: [named('a', 'x')] });
    const by = { id: 'ana' };
    for (const attempt of [
      () => engine.resume('none'),
      () => engine.inspect('none'),
      () => engine.cancel('none'),
      () => all(engine.watch('none')),
      () => engine.decide('none', [], { by }),
      () => engine.forget('none'),
      () => engine.settle('none', '1.0', { outcome: 'done', by }),
    ]) {
      const error = await refused('RUN_NOT_FOUND', attempt);
      expect(error.details).toEqual({ runId: 'none' });
      expect(error.message).toContain('runs()');
    }
    expect(await all(journal.heads({}))).toEqual([]);
  });

  test('RUN_BUSY: while the owner of a run lives, another resume is refused, and nothing changes', async () => {
    const { journal, another } = make();
    const hold = deferred();
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] });
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await entryOf(journal, run.id, 'call.started');
    const before = await entriesOf(journal, run.id);
    const other = new Engine({ journal: another(), agents: [a] });
    const error = await refused('RUN_BUSY', other.resume(run.id));
    expect(error.details).toEqual({ runId: run.id });
    await refused('RUN_BUSY', engine.resume(run.id));
    expect(await entriesOf(journal, run.id)).toEqual(before);
    expect(await all(other.recover())).toEqual([]);
    hold.resolve();
    await ends(run, 'completed');
    // a run that ended is answered as it stands
    expect(await ends(other.resume(run.id), 'completed')).toEqual(await run);
  });

  test('an expired lease is free for others, without waiting', async () => {
    const { journal, another } = make();
    const slow = tool({ name: 'slow', description: '', input: anything, effect: 'read', execute: () => new Promise(() => undefined) });
    const steps = [asks(['slow', {}]), 'done'];
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model: scripted(steps), tools: [slow] }), 'go');
    await entryOf(journal, run.id, 'call.started');
    await expireLease(journal, run.id);
    const quick = tool({ name: 'slow', description: '', input: anything, effect: 'read', execute: () => 'quick' });
    const other = new Engine({
      journal: another(),
      agents: [agent({ name: 'a', instructions: '', model: scripted(['done']), tools: [quick] })],
    });
    await ends(other.resume(run.id), 'completed');
    expect((await headOf(journal, run.id))?.owner).toBeUndefined();
  });

  test('AGENT_NOT_REGISTERED: says which agent, and the run waits as it was', async () => {
    const { journal, another } = make();
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const a = agent({ name: 'clerk', instructions: '', model: scripted([asks(['sign', {}]), 'done']), tools: [sign] });
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    const store = another();
    const stranger = new Engine({ journal: store });
    await stranger.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    const error = await refused('AGENT_NOT_REGISTERED', stranger.resume(paused.runId));
    expect(error.message).toContain('clerk');
    expect(error.details).toMatchObject({ runId: paused.runId, agent: 'clerk' });
    expect((await stranger.inspect(paused.runId)).status).toBe('paused');
    await ends(new Engine({ journal: store, agents: [a] }).resume(paused.runId), 'completed');
  });

  test('an agent that was run is known from then on', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const a = agent({
      name: 'a',
      instructions: '',
      model: scripted([{ error: 'SERVICE_UNAVAILABLE' }, 'done']),
      reliability: { model: { retry: { attempts: 1 } } },
    });
    const failed = await ends(engine.run(a, 'go'), 'failed');
    await ends(engine.resume(failed.runId), 'completed');
  });

  test('runs() lists runs, newest first, by status, session and agent', async () => {
    const { journal, another } = make();
    const engine = new Engine({ journal });
    const ids: string[] = [];
    for (const [name, session] of [
      ['a', 's'],
      ['b', 's'],
      ['a', 't'],
    ] as const) {
      ids.unshift((await engine.run(named(name, 'done'), 'go', { session })).runId);
      // the second run of a session begins a millisecond after the first at the earliest, which may be after a run of another session
      await sleep(2);
    }
    const stopped = await engine.run(agent({ name: 'c', instructions: '', model: scripted([]), limits: { steps: 0 } }), 'go');
    const other = new Engine({ journal: another() });
    const list = async (f?: Parameters<Engine['runs']>[0]) => (await all(other.runs(f))).map((r) => r.runId);
    expect(await list()).toEqual([stopped.runId, ...ids]);
    expect(await list({ status: 'completed' })).toEqual(ids);
    expect(await list({ session: 's' })).toEqual([ids[1], ids[2]]);
    expect(await list({ agent: 'a' })).toEqual([ids[0], ids[2]]);
    expect(await list({ agent: 'a', session: 't' })).toEqual([ids[0]]);
    expect(await list({ limit: 2 })).toEqual([stopped.runId, ids[0]]);
    expect((await all(other.runs({ session: 't' })))[0]).toEqual({
      runId: ids[0],
      agent: 'a',
      status: 'completed',
      session: 't',
      startedAt: expect.any(Number),
      unknowns: 0,
    });
  });

  test('inspect() shows the current and earlier states of a run', async () => {
    const { journal } = make();
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}]), 'done']), tools: [sign] });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go', { session: 's' }), 'paused');
    const now = await engine.inspect(paused.runId);
    expect(now).toMatchObject({ runId: paused.runId, agent: 'a', status: 'paused', session: 's', steps: 1, seq: 3, unknowns: [] });
    expect(now.approvals).toEqual(paused.approvals);
    expect(now.messages.map((m) => m.role)).toEqual(['user', 'assistant']);
    expect(JSON.parse(JSON.stringify(now))).toEqual(now);
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await ends(engine.resume(paused.runId), 'completed');
    expect(await engine.inspect(paused.runId, { at: 3 })).toEqual(now);
    expect(await engine.inspect(paused.runId, { at: 0 })).toMatchObject({ status: 'running', seq: 0, steps: 0, approvals: [] });
    expect((await engine.inspect(paused.runId)).messages.map((m) => m.role)).toEqual(['user', 'assistant', 'tool', 'assistant']);
  });

  test('forget() removes a run that ended, and no other', async () => {
    const { journal, another } = make();
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const engine = new Engine({ journal });
    const paused = await ends(
      engine.run(agent({ name: 'p', instructions: '', model: scripted([asks(['sign', {}])]), tools: [sign] }), 'secret one'),
      'paused',
    );
    const done = await engine.run(named('a', 'done'), 'secret two', { id: 'r' });
    expect((await refused('RUN_BUSY', engine.forget(paused.runId))).message).toContain('cancel()');
    const other = new Engine({ journal: another() });
    await other.forget(done.runId);
    await refused('RUN_NOT_FOUND', engine.inspect(done.runId));
    expect((await all(engine.runs())).map((r) => r.runId)).toEqual([paused.runId]);
    expect(await entriesOf(journal, done.runId)).toEqual([]);
    // its id is free again
    await ends(other.run(named('a', 'done'), 'go', { id: 'r' }), 'completed');
    await engine.cancel(paused.runId);
    await engine.forget(paused.runId);
    await refused('RUN_NOT_FOUND', engine.inspect(paused.runId));
  });
});
