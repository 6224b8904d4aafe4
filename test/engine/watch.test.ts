import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { agent, Engine, type RunEvent, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entryOf, expireLease, journals, kept, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';

/** A run of a dozen entries: parallel calls, a retry, an approval and its decision. */
function eventful() {
  const flaky = tool({
    name: 'flaky',
    description: '',
    input: anything,
    effect: 'read',
    retry: { attempts: 3, initialDelay: 0 },
    execute: async (_, { progress, attempt }) => {
      progress('trying');
      await settle(1);
      if (attempt < 3) throw Object.assign(new Error('gone'), { code: 'ECONNRESET' });
      return 'at last';
    },
  });
  const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
  const model = scripted(({ messages }) => (messages.length > 2 ? 'all done here' : asks(['flaky', {}], ['sign', {}], ['flaky', {}])));
  return agent({ name: 'a', instructions: '', model, tools: [flaky, sign] });
}

async function wholeRun(engine: Engine, a = eventful()) {
  const paused = await ends(engine.run(a, 'go'), 'paused');
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
  await ends(engine.resume(paused.runId), 'completed');
  return paused.runId;
}

describe.each(journals)('watch on $name', ({ make }) => {
  test('shows a run that ended, from anywhere, in any process', async () => {
    const { journal, another } = make();
    const runId = await wholeRun(new Engine({ journal }));
    const events = await all(new Engine({ journal: another() }).watch(runId));
    expect(typesOf(events)).toEqual([
      'run.started',
      'model.finished',
      'tool.started',
      'approval.asked',
      'tool.started',
      ...Array(4).fill('attempt.failed'),
      'tool.finished',
      'tool.finished',
      'run.ended',
      'approval.decided',
      'run.resumed',
      'tool.started',
      'tool.finished',
      'model.finished',
      'run.ended',
    ]);
    expect(events.at(-1)).toMatchObject({ result: { status: 'completed', output: 'all done here' } });
    expect(events.find((e) => e.type === 'run.ended')).toMatchObject({ result: { status: 'paused' } });
  });

  test('after any entry shows the rest, without loss or repetition, and the same each time', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const runId = await wholeRun(engine);
    const events = await all(engine.watch(runId));
    for (let after = -1; after <= (events.at(-1)?.seq as number); after++)
      expect(await all(engine.watch(runId, { after }))).toEqual(events.filter((e) => (e.seq as number) > after));
    expect(await all(engine.watch(runId, { after: 1_000 }))).toEqual([]);
  });

  test('from another process follows a run to its end', async () => {
    const { journal, another } = make();
    const hold = deferred();
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const run = new Engine({ journal }).run(
      agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] }),
      'go',
    );
    const live = all(run);
    await settle();
    const seen: RunEvent[] = [];
    for await (const e of new Engine({ journal: another() }).watch(run.id)) {
      seen.push(e);
      if (e.type === 'tool.started') hold.resolve();
    }
    expect(seen).toEqual(kept(await live));
  });

  test('goes on where its process loses the run to another one', async () => {
    const { journal, another } = make();
    const hold = deferred<string>();
    let calls = 0;
    const slow = tool({
      name: 'slow',
      description: '',
      input: anything,
      effect: 'idempotent',
      execute: () => (calls++ === 0 ? hold.promise : 'ok'),
    });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] });
    const [first, second] = [new Engine({ journal }), new Engine({ journal: another(), agents: [a] })];
    const lost = first.run(a, 'go', { id: 'r' });
    await entryOf(journal, 'r', 'call.started');
    const watched = all(first.watch('r'));
    await expireLease(journal, 'r');
    await ends(second.resume('r'), 'completed');
    hold.resolve('late');
    await refused('RUN_BUSY', lost);
    // the late result of the first process may come behind the end
    const told = (events: readonly RunEvent[]) => events.filter((e) => e.seq !== undefined && e.type !== 'outcome.settled');
    expect(told(await watched)).toEqual(told(await all(second.watch('r'))));
  });

  test('ends with the pause of a run, and may be taken up after it', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const a = eventful();
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const before = await all(engine.watch(paused.runId));
    expect(before.at(-1)).toMatchObject({ type: 'run.ended', result: { status: 'paused' } });
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    const run = engine.resume(paused.runId);
    const after = await all(engine.watch(paused.runId, { after: before.at(-1)?.seq as number }));
    await run;
    await settle();
    const rest = await all(engine.watch(paused.runId, { after: (after.at(-1) ?? before.at(-1))?.seq as number }));
    expect([...before, ...kept(after), ...rest]).toEqual(await all(engine.watch(paused.runId)));
  });

  test('by the signal of the one who watches stops the watching, not the run', async () => {
    const { journal } = make();
    const hold = deferred();
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] }), 'go');
    await settle();
    const stop = new AbortController();
    const watched = all(engine.watch(run.id, { signal: stop.signal }));
    const elsewhere = all(new Engine({ journal }).watch(run.id, { signal: stop.signal }));
    await settle();
    stop.abort();
    expect(typesOf(await watched)).toEqual(['run.started', 'model.finished', 'tool.started']);
    expect(typesOf(await elsewhere)).toEqual(['run.started', 'model.finished', 'tool.started']);
    hold.resolve();
    await ends(run, 'completed');
  });

  test('a run that there is not is RUN_NOT_FOUND; one that was just started is there', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    await refused('RUN_NOT_FOUND', all(engine.watch('none')));
    const run = engine.run(eventful(), 'go', { session: 's' });
    expect(typesOf(await all(engine.watch(run.id)))[0]).toBe('run.started');
  });

  test('whenever one joins, and however often one is cut off: each entry once, in order', async () => {
    const { another, journal } = make();
    const remote = another();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ take: fc.nat(6), wait: fc.nat(4), far: fc.boolean() }), { maxLength: 6 }), async (cuts) => {
        const engine = new Engine({ journal });
        const a = eventful();
        const run = engine.run(a, 'go');
        const got: RunEvent[] = [];
        let after = -1;
        const reading = (async () => {
          for (const { take, wait, far } of [...cuts, { take: Number.POSITIVE_INFINITY, wait: 0, far: false }]) {
            await settle(wait);
            let left = take;
            // the entry may not be there yet where another process looks
            const from = far ? new Engine({ journal: remote }) : engine;
            if (left === 0) continue;
            if (far && after === -1) continue;
            for await (const e of from.watch(run.id, { after })) {
              if (e.seq === undefined) continue;
              got.push(e);
              after = e.seq;
              if (--left === 0) break;
            }
          }
        })();
        await Promise.all([run, reading]);
        const whole = await all(engine.watch(run.id));
        expect(got).toEqual(whole);
      }),
      { numRuns: 25 },
    );
  });
});
