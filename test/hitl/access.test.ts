import { describe, expect, test } from 'vitest';
import {
  type AccessRequest,
  agent,
  approve,
  Engine,
  type Identity,
  type Memory,
  memoryJournal,
  type Policy,
  type Principal,
  RondoError,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const ana: Principal = { id: 'ana', tenant: 'acme' };
/** Of the same tenant, so he may see what the policy does not keep from him. */
const bob: Principal = { id: 'bob', tenant: 'acme' };
const lead: Principal = { id: 'cleo', tenant: 'acme', roles: ['lead'] };
const stranger: Principal = { id: 'ana', tenant: 'evil' };

type World = Awaited<ReturnType<typeof world>>;

/** Runs of Ana, one of each kind, on an engine where only Ana may have runs, and only she may touch them. */
async function world() {
  const asked: AccessRequest[] = [];
  const forgotten: unknown[] = [];
  const memory: Memory = {
    recall: async () => [],
    record: async () => undefined,
    forget: async (what) => void forgotten.push(what),
  };
  const policy: Policy = {
    decide: () => ({ allow: true }),
    access(r) {
      asked.push(r);
      return { allow: r.by?.roles?.includes('lead') || (r.by?.id === 'ana' && r.owner?.id === 'ana'), reason: 'it is not yours' };
    },
  };
  const identity: Identity = { get: async () => ({ token: 'token-of-the-bank', flow: 'client' }) };
  const journal = memoryJournal();
  const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
  const pay = tool({ name: 'pay', description: '', input: anything, credentials: { bank: { provider: 'bank' } }, execute: () => 'paid' });
  const lost = tool({
    name: 'lost',
    description: '',
    input: anything,
    retry: { attempts: 1 },
    execute: () => {
      throw new Error('the line is dead');
    },
  });
  const worker = agent({
    name: 'worker',
    instructions: '',
    tools: [sign, pay, lost],
    model: scripted(({ messages }) => {
      const text = JSON.stringify(messages.at(-1));
      return text.includes('sign it') ? asks(['sign', {}]) : text.includes('pay it') ? asks(['pay', {}], ['lost', {}]) : 'done';
    }),
  });
  const engine = new Engine({ journal, policy, identity, memory, agents: [worker] });
  const paused = await ends(engine.run(worker, 'sign it', { by: ana, session: 'waits' }), 'paused');
  const done = await ends(engine.run(worker, 'pay it', { by: ana, session: 's' }), 'completed');
  await engine.schedule('daily', { cron: '0 9 * * *', agent: worker, input: 'go', by: ana });
  asked.length = 0;
  return { engine, journal, worker, paused, done, asked, forgotten };
}

/** A call that is refused, or a list that leaves out what may not be inspected, or why the policy is not asked. `own`: the run is of the caller. */
type Row =
  | { point: AccessRequest['point']; own?: true; call: (w: World, by: Principal) => PromiseLike<unknown> }
  | { point: 'inspect'; list: (w: World, by: Principal) => PromiseLike<readonly unknown[]> }
  | { never: string };

const missing = { runId: 'none', callId: '1.0' };
const table: Readonly<Record<string, Row>> = {
  run: { point: 'run', own: true, call: ({ engine, worker }, by) => engine.run(worker, 'go', { by, session: 'own' }) },
  enqueue: { point: 'run', own: true, call: ({ engine, worker }, by) => engine.enqueue(worker, 'go', { by }) },
  resume: { point: 'run', call: ({ engine, paused }, by) => engine.resume(paused.runId, { by }) },
  fork: { point: 'run', call: ({ engine, done }, by) => engine.fork(done.runId, { at: 1, by }) },
  send: { point: 'run', call: ({ engine, paused }, by) => engine.send(paused.runId, 'hello', { by }) },
  schedule: {
    point: 'decide',
    call: ({ engine, worker }, by) => engine.schedule('daily', { cron: '0 10 * * *', agent: worker, input: 'other', by }),
  },
  unschedule: { point: 'decide', call: ({ engine }, by) => engine.unschedule('daily', { by }) },
  decide: {
    point: 'decide',
    call: ({ engine, paused }, by) => engine.decide(paused.runId, [approve(paused.approvals[0])], { by }),
  },
  cancel: { point: 'decide', call: ({ engine, paused }, by) => engine.cancel(paused.runId, { by }) },
  settle: { point: 'decide', call: ({ engine, done }, by) => engine.settle(done.runId, callOf('lost'), { outcome: 'done', by }) },
  reopen: { point: 'decide', call: ({ engine, done }, by) => engine.reopen({ ...missing, runId: done.runId }, { by, reason: 'again' }) },
  retry: { point: 'decide', call: ({ engine, done }, by) => engine.retry({ runId: done.runId, callId: callOf('lost') }, { by }) },
  dismiss: {
    point: 'decide',
    call: ({ engine, done }, by) => engine.dismiss({ runId: done.runId, callId: callOf('lost') }, { by, reason: 'seen' }),
  },
  forget: { point: 'decide', call: ({ engine, done }, by) => engine.forget(done.runId, { by }) },
  inspect: { point: 'inspect', call: ({ engine, done }, by) => engine.inspect(done.runId, { by }) },
  watch: { point: 'inspect', call: ({ engine, done }, by) => all(engine.watch(done.runId, { by })) },
  entries: { point: 'inspect', call: ({ engine, done }, by) => all(engine.entries(done.runId, { by })) },
  exportTrace: { point: 'inspect', call: ({ engine, done }, by) => all(engine.exportTrace(done.runId, { by })) },
  runs: { point: 'inspect', list: ({ engine }, by) => all(engine.runs({ by })) },
  approvals: { point: 'inspect', list: ({ engine }, by) => all(engine.approvals({ by })) },
  effects: { point: 'inspect', list: ({ engine }, by) => all(engine.effects({ by })) },
  effectSums: { point: 'inspect', list: ({ engine }, by) => engine.effectSums({ by }) },
  deadLetters: { point: 'inspect', list: ({ engine }, by) => all(engine.deadLetters({ by })) },
  handOuts: { point: 'inspect', list: ({ engine }, by) => engine.handOuts({ by }) },
  search: { point: 'inspect', list: async ({ engine }, by) => (await engine.search({ tool: 'pay', by })).runs },
  schedules: { point: 'inspect', list: ({ engine }, by) => engine.schedules({ by }) },
  prune: { never: 'leaves out instead, see below' },
  signal: { never: 'an event is sent to a tenant, and names no run' },
  events: { never: 'events that no run has taken are of a tenant' },
  recover: { never: 'takes no caller: the work of the engine' },
  sweep: { never: 'takes no caller: the work of the engine' },
  work: { never: 'takes no caller: the work of the engine' },
  rebuildEffects: { never: 'takes no caller: the work of the engine' },
  agents: { never: 'touches no run' },
  register: { never: 'touches no run' },
  close: { never: 'touches no run' },
};

/** The ids of the calls of the run that paid: they are those of its first answer. */
const callOf = (tool: 'pay' | 'lost') => (tool === 'pay' ? '1.0' : '1.1');

const methodsOf = (prototype: object): string[] =>
  prototype === Object.prototype
    ? []
    : [...Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor'), ...methodsOf(Object.getPrototypeOf(prototype))];

const refusal = async (attempt: PromiseLike<unknown>): Promise<string | undefined> => {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    if (!RondoError.is(error)) throw error;
    return error.code;
  }
};

describe('the policy is asked about runs', () => {
  test('by each method of the engine, or the table says why not', () => {
    expect(Object.keys(table).sort()).toEqual(methodsOf(Engine.prototype).sort());
  });

  test.each(Object.entries(table).flatMap(([name, row]) => ('call' in row ? [[name, row] as const] : [])))(
    '%s is refused, and changes nothing; the owner is asked about, and may',
    async (_, { point, own, call }) => {
      const w = await world();
      const before = JSON.stringify([await entriesOf(w.journal, w.paused.runId), await entriesOf(w.journal, w.done.runId)]);
      expect(await refusal(call(w, bob))).toBe('NOT_PERMITTED');
      expect(w.asked).toContainEqual(expect.objectContaining({ point, by: bob, owner: { id: own ? 'bob' : 'ana', tenant: 'acme' } }));
      expect(JSON.stringify([await entriesOf(w.journal, w.paused.runId), await entriesOf(w.journal, w.done.runId)])).toBe(before);
      expect(await w.engine.schedules({ by: ana })).toMatchObject([{ input: 'go' }]);
      expect(await refusal(call(w, ana))).not.toBe('NOT_PERMITTED');
    },
  );

  test('a schedule of runs that the caller may not start is not made', async () => {
    const { engine, worker } = await world();
    const o = { cron: '0 9 * * *', agent: worker, input: 'go' };
    await refused('NOT_PERMITTED', engine.schedule('own', { ...o, by: bob }));
    expect(await engine.schedules({ by: lead })).toMatchObject([{ name: 'daily' }]);
  });

  test('a run that this engine drives is not told to be busy to those who may not resume it', async () => {
    const { engine, asked } = await world();
    const hold = deferred();
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] });
    const run = engine.run(a, 'go', { by: ana });
    for await (const event of run) if (event.type === 'tool.started') break;
    await refused('NOT_PERMITTED', engine.resume(run.id, { by: bob }));
    expect(asked.at(-1)).toMatchObject({ point: 'run', by: bob });
    await refused('RUN_BUSY', engine.resume(run.id, { by: ana }));
    hold.resolve();
    await ends(run, 'completed');
  });

  test.each(Object.entries(table).flatMap(([name, row]) => ('list' in row ? [[name, row] as const] : [])))(
    '%s leaves out what may not be inspected',
    async (_, { list }) => {
      const w = await world();
      expect(await list(w, bob)).toEqual([]);
      expect(w.asked).toContainEqual(expect.objectContaining({ point: 'inspect', by: bob, owner: { id: 'ana', tenant: 'acme' } }));
      expect((await list(w, ana)).length).toBeGreaterThan(0);
    },
  );
});

describe('forgetting and the policy', () => {
  const targets = [
    ['a session', { session: 's', by: ana }],
    ['a principal', { by: ana }],
    ['a session that has no runs any more', { session: 'gone', by: ana }],
  ] as const;

  test.each(targets)('%s is refused without a word of its runs, and memories keep what they know', async (_, target) => {
    const w = await world();
    await w.engine.cancel(w.paused.runId, { by: ana });
    const error = await refused('NOT_PERMITTED', w.engine.forget(target, { by: bob }));
    for (const { runId } of [w.paused, w.done]) expect(JSON.stringify([error.message, error.details])).not.toContain(runId);
    expect(await all(w.engine.runs({ by: ana }))).toHaveLength(2);
    expect(w.forgotten).toEqual([]);
  });

  test.each(targets)('%s of another tenant is as if it were not there', async (_, target) => {
    const w = await world();
    expect(await w.engine.forget(target, { by: stranger })).toEqual({ runs: [], rewritten: [] });
    expect(w.forgotten).toEqual([]);
    expect(await all(w.engine.runs({ by: ana }))).toHaveLength(2);
  });

  test('a principal is forgotten by whom the policy allows it, and by the principal itself', async () => {
    for (const by of [lead, undefined]) {
      const w = await world();
      await w.engine.cancel(w.paused.runId, { by: ana });
      const { runs } = await w.engine.forget({ by: ana }, by ? { by } : {});
      expect([...runs].sort()).toEqual([w.paused.runId, w.done.runId].sort());
      expect(w.forgotten).not.toEqual([]);
    }
  });

  test('one run that is refused keeps all of them', async () => {
    const journal = memoryJournal();
    const talk = agent({ name: 'talk', instructions: '', model: scripted(() => 'ok') });
    const engine = new Engine({ journal });
    const first = await ends(engine.run(talk, 'a', { by: ana, session: { id: 's', shared: true } }), 'completed');
    const second = await ends(engine.run(talk, 'b', { by: bob, session: { id: 's', shared: true } }), 'completed');
    const policy: Policy = { decide: () => ({ allow: true }), access: (r) => ({ allow: r.runId !== second.runId }) };
    await refused('NOT_PERMITTED', new Engine({ journal, policy }).forget({ session: 's', by: ana }));
    expect((await all(engine.runs({ by: ana }))).map(({ runId }) => runId).sort()).toEqual([first.runId, second.runId].sort());
  });

  test('other runs that have copies are told only to those who may inspect them', async () => {
    const journal = memoryJournal();
    const talk = agent({ name: 'talk', instructions: '', model: scripted(() => 'ok') });
    const first = new Engine({ journal });
    const { runId } = await ends(first.run(talk, 'a', { by: ana }), 'completed');
    const { length } = await entriesOf(journal, runId);
    const fork = first.fork(runId, { at: length - 3, by: lead, agent: talk });
    await ends(fork, 'completed');
    const policy: Policy = { decide: () => ({ allow: true }), access: ({ by, owner }) => ({ allow: by?.id === owner?.id }) };
    expect(await new Engine({ journal, policy }).forget(runId, { by: ana })).toEqual({ runs: [runId], rewritten: [] });
    expect(JSON.stringify(await entriesOf(journal, fork.id))).not.toContain('"a"');
  });
});

describe('pruning and the policy', () => {
  test('runs that the caller may not decide are in no list and stay; the application itself is not asked', async () => {
    const w = await world();
    const all = { olderThan: 0, status: ['completed', 'paused'] } as const;
    for (const by of [bob, stranger]) expect(await w.engine.prune(all, { by })).toEqual({ runs: [], rewritten: [], kept: [] });
    expect(await w.engine.prune({ ...all, by: ana }, { by: bob })).toEqual({ runs: [], rewritten: [], kept: [] });
    expect((await w.engine.prune({ olderThan: 0, by: ana })).runs).toEqual([w.done.runId]);
    w.asked.length = 0;
    expect((await w.engine.prune(all)).runs).toEqual([w.paused.runId]);
    expect(w.asked).toEqual([]);
    await refused('CONFIG_INVALID', w.engine.prune(all, { by: {} as Principal }));
  });
});
