import { describe, expect, test } from 'vitest';
import { agent, Engine, type Principal, RondoError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, entryOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';

const ana: Principal = { id: 'ana', tenant: 'acme' };
const strangers: readonly (Principal | undefined)[] = [undefined, { id: 'eve' }, { id: 'ana', tenant: 'evil' }];

/** What a method answers, as far as a caller can see it, with the id of the run taken out. */
async function answer(runId: string, attempt: () => PromiseLike<unknown>): Promise<string> {
  try {
    return JSON.stringify(await attempt()).replaceAll(runId, '<id>');
  } catch (e) {
    if (!RondoError.is(e)) throw e;
    return `${e.code} ${e.message} ${JSON.stringify(e.details)}`.replaceAll(runId, '<id>');
  }
}

const methods: Readonly<
  Record<string, (engine: Engine, runId: string, by: Principal | undefined, approval: string) => PromiseLike<unknown>>
> = {
  resume: (e, id, by) => e.resume(id, by ? { by } : {}),
  'resume, its events': (e, id, by) => all(e.resume(id, by ? { by } : {})),
  'resume with a limit': (e, id, by) => e.resume(id, { limits: { steps: 100 }, ...(by && { by }) }),
  inspect: (e, id, by) => e.inspect(id, by ? { by } : {}),
  'inspect at': (e, id, by) => e.inspect(id, { at: 1, ...(by && { by }) }),
  entries: (e, id, by) => all(e.entries(id, by ? { by } : {})),
  watch: (e, id, by) => all(e.watch(id, by ? { by } : {})),
  cancel: (e, id, by) => e.cancel(id, by ? { by } : {}),
  decide: (e, id, by, approval) => e.decide(id, [{ approval, type: 'approve' }], { by: by ?? { id: 'no-one' } }),
  forget: (e, id, by) => e.forget(id, by ? { by } : {}),
  settle: (e, id, by) => e.settle(id, '1.0', { outcome: 'done', by: by ?? { id: 'no-one' } }),
};

describe.each(journals)('a run of a tenant on $name', ({ make }) => {
  function working() {
    const hold = deferred();
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const slow = tool({ name: 'slow', description: '', input: anything, effect: 'read', execute: () => hold.promise });
    const model = scripted([asks(['sign', {}], ['slow', {}]), 'done']);
    return { hold, a: agent({ name: 'a', instructions: '', model, tools: [sign, slow] }), model };
  }

  test.each(Object.entries(methods))('%s: for anyone else it is exactly as if it were not there, paused or running', async (_, method) => {
    const { journal } = make();
    const { a, hold } = working();
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go', { by: ana });
    const { id: approval } = await entryOf(journal, run.id, 'approval.requested');
    for (const phase of ['running', 'paused']) {
      if (phase === 'paused') {
        hold.resolve();
        await ends(run, 'paused');
      }
      const before = await entriesOf(journal, run.id);
      for (const by of strangers) {
        const absent = await answer('none', () => method(engine, 'none', by, approval));
        expect(absent).toMatch(/^RUN_NOT_FOUND/);
        expect(await answer(run.id, () => method(engine, run.id, by, approval)), `${phase}, ${by?.tenant}`).toBe(absent);
      }
      expect(await entriesOf(journal, run.id)).toEqual(before);
    }
  });

  test('is not in the list of anyone else, and takes no session from them', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const hold = working();
    const run = engine.run(hold.a, 'secret input', { by: ana, session: 's' });
    await entryOf(journal, run.id, 'approval.requested');
    for (const by of strangers) expect(await all(engine.runs(by ? { by } : {}))).toEqual([]);
    for (const by of strangers) expect(await all(engine.runs({ session: 's', ...(by && { by }) }))).toEqual([]);
    expect((await all(engine.runs({ by: ana }))).map((r) => r.runId)).toEqual([run.id]);
    const model = scripted(['hello']);
    await ends(
      engine.run(agent({ name: 'b', instructions: '', model }), 'hi', { session: 's', by: { id: 'eve', tenant: 'evil' } }),
      'completed',
    );
    expect(JSON.stringify(model.requests)).not.toContain('secret');
    hold.hold.resolve();
    await ends(run, 'paused');
  });

  test('an id in use is refused without a word of the run that has it', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const { a, hold } = working();
    const run = engine.run(a, 'secret input', { by: ana, id: 'req-1' });
    await entryOf(journal, run.id, 'approval.requested');
    const mine = engine.run(agent({ name: 'b', instructions: '', model: scripted(['x']) }), 'go', {
      id: 'req-1',
      by: { id: 'eve', tenant: 'evil' },
    });
    const heard: unknown[] = [];
    const reading = (async () => {
      for await (const e of mine) heard.push(e);
    })();
    reading.catch(() => undefined);
    await refused('RUN_EXISTS', mine);
    hold.resolve();
    await ends(run, 'paused');
    await refused('RUN_EXISTS', reading);
    expect(heard).toEqual([]);
  });

  test('is there for its own tenant, no matter who asks', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const { a, hold } = working();
    hold.resolve();
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    const colleague: Principal = { id: 'cas', tenant: 'acme' };
    expect((await engine.inspect(paused.runId, { by: colleague })).status).toBe('paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: colleague });
    await ends(engine.resume(paused.runId, { by: colleague }), 'completed');
    expect(await all(engine.watch(paused.runId, { by: colleague }))).not.toEqual([]);
  });

  test('sweep() and recover() act for the engine, which sees all runs', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const { a, hold } = working();
    hold.resolve();
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ana });
    const [swept] = await all(engine.sweep());
    await ends((swept as NonNullable<typeof swept>).run, 'completed');
  });
});

describe.each(journals)('a session of one name on $name', ({ make }) => {
  test('is a different one in each tenant, and without a tenant', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const model = scripted(({ messages }) =>
      messages
        .filter((m) => m.role === 'user')
        .map((m) => (m.content[0] as { text: string }).text)
        .join(','),
    );
    const a = agent({ name: 'a', instructions: '', model });
    const say = (text: string, tenant?: string) =>
      engine.run(a, text, { session: 'ana', by: { id: 'ana', ...(tenant && { tenant }) } }).output();
    expect(await say('plain 1')).toBe('plain 1');
    await settle(1);
    expect(await say('acme 1', 'acme')).toBe('acme 1');
    expect(await say('evil 1', 'evil')).toBe('evil 1');
    expect(await say('plain 2')).toBe('plain 1,plain 2');
    expect(await say('acme 2', 'acme')).toBe('acme 1,acme 2');
    expect(await say('plain 3')).toBe('plain 1,plain 2,plain 3');
  });
});
