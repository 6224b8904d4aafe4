import { describe, expect, test } from 'vitest';
import { agent, Engine, type Policy } from '../../src/index.ts';
import { all, entriesOf, headOf, journals, typesOf } from '../kit/journals.ts';
import { ends, refused } from '../kit/runs.ts';
import { echo, working } from './setup.ts';

const by = { id: 'ana', tenant: 'acme' };
/** Its model has no known price. */
const unpriced = agent({
  name: 'unpriced',
  instructions: '',
  model: { provider: 'none', id: 'unknown', generate: () => Promise.reject(new Error('not asked')) },
});

describe.each(journals)('enqueue() on $name', ({ make }) => {
  test('a run is queued in the journal, and any process may begin it', async () => {
    const { journal, another } = make();
    const engine = new Engine({ journal });
    const { runId } = await engine.enqueue(echo(), 'hello', { by, tags: { a: 'b' } });
    expect(await engine.inspect(runId, { by })).toMatchObject({ status: 'queued', agent: 'echo', steps: 0 });
    expect((await engine.inspect(runId, { by })).result).toBeUndefined();
    expect((await all(engine.runs({ status: 'queued', by }))).map((run) => run.runId)).toEqual([runId]);
    expect(await headOf(journal, runId)).not.toHaveProperty('owner', expect.anything());
    const { engine: other, work } = working({ journal: another(), agents: [echo()] });
    await work.idle();
    expect(await other.inspect(runId, { by })).toMatchObject({ status: 'completed', result: { output: 'hello' } });
    expect(typesOf(await entriesOf(journal, runId))).toEqual(['run.started', 'run.claimed', 'model.responded', 'run.settled']);
    expect(work.state()).toMatchObject({ driving: 0, driven: 1, failed: 0, waiting: [], unknown: [] });
  });

  test('a watcher of a queued run waits for it, and resume() begins it', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const { runId } = await engine.enqueue(echo(), 'hello');
    const seen: string[] = [];
    const watched = (async () => {
      for await (const event of engine.watch(runId)) if (event.seq !== undefined) seen.push(event.type);
    })();
    await ends(engine.resume(runId, { agent: echo() }), 'completed');
    await watched;
    expect(seen).toEqual(['run.started', 'run.resumed', 'model.finished', 'run.ended']);
  });

  test('runs of a busy session wait in order, and each continues the one before it', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    await ends(engine.run(echo(), 'one', { by, session: 's' }), 'completed');
    for (const text of ['two', 'three', 'four']) await engine.enqueue(echo(), text, { by, session: 's', id: text });
    // a new run comes behind those that wait
    const busy = await refused('SESSION_BUSY', engine.run(echo(), 'late', { by, session: 's' }));
    expect(busy.details).toMatchObject({ runId: 'four' });
    await refused('SESSION_BUSY', engine.resume('three', { agent: echo(), by }));
    const { work } = working({ journal, agents: [echo()] });
    await work.idle();
    const { result } = await engine.inspect('four', { by });
    expect(result).toMatchObject({ output: 'one+two+three+four' });
    expect(work.state()).toMatchObject({ driven: 3, failed: 0 });
    await ends(engine.run(echo(), 'late', { by, session: 's' }), 'completed');
  });

  test('a queued run that is cancelled never begins, and the next one continues what was before it', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    await ends(engine.run(echo(), 'one', { session: 's' }), 'completed');
    const { runId } = await engine.enqueue(echo(), 'two', { session: 's' });
    await engine.cancel(runId, { reason: 'no longer' });
    expect(await engine.inspect(runId)).toMatchObject({ status: 'cancelled', result: { reason: 'no longer' } });
    expect(typesOf(await entriesOf(journal, runId))).toEqual(['run.started', 'message.received', 'run.settled']);
    const next = await ends(engine.run(echo(), 'three', { session: 's' }), 'completed');
    expect(next.output).toBe('one+three');
    await engine.cancel(runId);
    await ends(engine.resume(runId, { agent: echo() }), 'cancelled');
  });

  test('forget() and prune() treat a queued run as open', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const { runId } = await engine.enqueue(echo(), 'hello');
    await refused('RUN_BUSY', engine.forget(runId));
    expect((await engine.prune({ olderThan: 0 })).runs).toEqual([]);
    expect((await engine.prune({ olderThan: 0, status: 'queued' })).runs).toEqual([runId]);
    expect(await headOf(journal, runId)).toBeUndefined();
  });

  test('forgetting a run takes its words out of a run that was queued behind it', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const a = echo();
    await ends(engine.run(a, 'secret', { session: 's', id: 'first' }), 'completed');
    await ends(engine.run(a, 'middle', { session: 's', id: 'second' }), 'completed');
    await engine.enqueue(a, 'last', { session: 's', id: 'third' });
    await ends(engine.resume('third', { agent: a }), 'completed');
    expect((await engine.inspect('third')).messages).toHaveLength(6);
    await engine.forget('second');
    const { messages } = await engine.inspect('third');
    expect(messages.map(({ content: [part] }) => (part?.type === 'text' ? part.text : ''))).toEqual([
      'secret',
      'secret',
      'last',
      'secret+middle+last',
    ]);
    expect((await ends(engine.run(a, 'again', { session: 's' }), 'completed')).output).toBe('secret+last+again');
  });

  test('the id, the input and the policy are checked as in run()', async () => {
    const { journal } = make();
    const policy: Policy = { decide: () => ({ allow: true }), access: ({ by }) => ({ allow: by?.id !== 'eve', reason: 'not eve' }) };
    const engine = new Engine({ journal, policy });
    await engine.enqueue(echo(), 'hello', { id: 'r' });
    await refused('RUN_EXISTS', engine.enqueue(echo(), 'hello', { id: 'r' }));
    await refused('RUN_EXISTS', engine.run(echo(), 'hello', { id: 'r' }));
    await refused('NOT_PERMITTED', engine.enqueue(echo(), 'hello', { by: { id: 'eve' } }));
    await refused('CONFIG_INVALID', engine.enqueue(echo(), 7 as never));
    await refused('CONFIG_INVALID', engine.enqueue(echo(), 'hello', { assertion: 'token' } as never));
    await refused('CONFIG_INVALID', engine.enqueue(echo(), 'hello', { id: '' }));
    await refused('CONFIG_INVALID', engine.enqueue(echo(), 'hello', { by: { id: '' } }));
    // limits that no process could keep
    await refused('CONFIG_INVALID', engine.enqueue(echo(), 'hello', { limits: { amounts: { eur: 5 } } }));
    await refused('CONFIG_INVALID', engine.enqueue(unpriced, 'hello', { limits: { costUsd: 1 } }));
    expect((await all(journal.heads({}))).map(({ runId }) => runId)).toEqual(['r']);
    await engine.close();
    await refused('ENGINE_CLOSED', engine.enqueue(echo(), 'hello'));
  });
});
