/** Which agent goes on with a run: a name alone does not say for whom an agent works. */
import { describe, expect, test } from 'vitest';
import { Agents } from '../../src/engine/read/agents.ts';
import { agent, Engine, type RondoError, supervisor, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, around, entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

/** An agent as a request handler declares it: all of one name, and alike but for what they close over. */
function declared(paid: string[], tenant: string, approval = true) {
  const refund = tool({ name: 'refund', description: '', input: anything, approval, execute: () => void paid.push(tenant) });
  const model = scripted((r) => (r.messages.at(-1)?.role === 'tool' ? `done for ${tenant}` : asks(['refund', {}])));
  return agent({ name: 'support', instructions: '', tools: [refund], model });
}
const codeOf = (error: unknown) => (error as RondoError).code;
const lead = { by: { id: 'lead' } };
async function approve(engine: Engine, runId: string) {
  const { approvals } = await engine.inspect(runId);
  await engine.decide(
    runId,
    approvals.map(({ id }) => ({ approval: id, type: 'approve' as const })),
    lead,
  );
}

describe.each(journals)('a run on $name', ({ make }) => {
  test('goes on with the agent object that it was started with, whatever else was run under its name', async () => {
    const paid: string[] = [];
    const engine = new Engine({ journal: make().journal });
    const ids: string[] = [];
    for (const tenant of ['ana', 'ben', 'cas']) ids.push((await ends(engine.run(declared(paid, tenant), 'go'), 'paused')).runId);
    for (const id of ids) await approve(engine, id);
    expect((await ends(engine.resume(ids[1] as string), 'completed')).output).toBe('done for ben');
    // a sweep and a takeover know it too
    await engine.sweep();
    expect(paid[0]).toBe('ben');
    expect(paid.toSorted()).toEqual(['ana', 'ben', 'cas']);
  });

  test('has an unknown agent in another process: an error at once, even while no one has answered', async () => {
    const { journal, another } = make();
    const paid: string[] = [];
    const first = new Engine({ journal });
    const { runId } = await ends(first.run(declared(paid, 'ana'), 'go'), 'paused');
    const other = new Engine({ journal: another() });
    // a run of that name there makes nothing known
    await ends(other.run(declared(paid, 'ben'), 'go'), 'paused');
    const error = await refused('AGENT_NOT_REGISTERED', other.resume(runId));
    expect(error.message).toMatch(/agents: \[support\].*\{ agent \}/);
    await approve(other, runId);
    await refused('AGENT_NOT_REGISTERED', other.resume(runId));
    await refused('AGENT_NOT_REGISTERED', other.fork(runId, { at: 0 }));
    expect((await other.sweep()).map((r) => r.runId)).not.toContain(runId);
    expect(paid).toEqual([]);
    await ends(first.resume(runId), 'completed');
    expect(paid).toEqual(['ana']);
    // what has ended needs no agent
    await ends(other.resume(runId), 'completed');
  });

  test('goes on in another process with the agent that is given, or registered', async () => {
    const { journal, another } = make();
    const paid: string[] = [];
    const first = new Engine({ journal });
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push((await ends(first.run(declared(paid, 'ana'), 'go'), 'paused')).runId);
    const [given, registered, declaredThere] = ids as [string, string, string];
    const other = new Engine({ journal: another() });
    for (const id of ids) await approve(other, id);
    const wrong = agent({ name: 'sales', instructions: '', model: scripted([]) });
    expect((await refused('CONFIG_INVALID', other.resume(given, { agent: wrong }))).message).toContain('"support"');
    await ends(other.resume(given, { agent: declared(paid, 'given') }), 'completed');
    other.register(declared(paid, 'registered'));
    await ends(other.resume(registered), 'completed');
    await ends(new Engine({ journal: another(), agents: [declared(paid, 'declared')] }).resume(declaredThere), 'completed');
    expect(paid).toEqual(['given', 'registered', 'declared']);
  });

  test('keeps the agent it was given over its next pause', async () => {
    const { journal, another } = make();
    const paid: string[] = [];
    const refund = (tenant: string) =>
      tool({ name: 'refund', description: '', input: anything, approval: true, execute: () => void paid.push(tenant) });
    const twice = (tenant: string) =>
      agent({
        name: 'support',
        instructions: '',
        tools: [refund(tenant)],
        model: scripted((r) => (r.messages.length < 5 ? asks(['refund', { n: r.messages.length }]) : 'done')),
      });
    const { runId } = await ends(new Engine({ journal }).run(twice('first'), 'go'), 'paused');
    const other = new Engine({ journal: another() });
    await approve(other, runId);
    await ends(other.resume(runId, { agent: twice('given') }), 'paused');
    await approve(other, runId);
    await ends(other.resume(runId), 'completed');
    expect(paid).toEqual(['given', 'given']);
  });

  test('that stopped at a limit or failed keeps its agent, one that has ended does not', async () => {
    const { journal } = make();
    const paid: string[] = [];
    const engine = new Engine({ journal });
    const stopped = await ends(engine.run(declared(paid, 'ana', false), 'go', { limits: { steps: 1 } }), 'stopped');
    await engine.run(declared(paid, 'ben', false), 'go');
    expect((await ends(engine.resume(stopped.runId, { limits: { steps: 5 } }), 'completed')).output).toBe('done for ana');
    await refused('AGENT_NOT_REGISTERED', engine.fork(stopped.runId, { at: 0 }));
    const again = await ends(engine.fork(stopped.runId, { at: 0, agent: declared(paid, 'cas', false), limits: { steps: 5 } }), 'completed');
    expect(again.output).toBe('done for cas');
  });

  test('is forked with the agent of the run it comes from, and its fork keeps it', async () => {
    const { journal } = make();
    const paid: string[] = [];
    const engine = new Engine({ journal });
    const ana = await ends(engine.run(declared(paid, 'ana'), 'go'), 'paused');
    await ends(engine.run(declared(paid, 'ben'), 'go'), 'paused');
    const fork = await ends(engine.fork(ana.runId, { at: 0 }), 'paused');
    await approve(engine, fork.runId);
    await ends(engine.resume(fork.runId), 'completed');
    expect(paid).toEqual(['ana']);
  });

  test('that a store failure interrupted is recovered with its own agent, and left alone if that is unknown', async () => {
    const { journal, another } = make();
    const paid: string[] = [];
    let full = false;
    const failing = around(journal, {
      append(...args) {
        if (full) throw new Error('no more');
        return journal.append(...args);
      },
    });
    const engine = new Engine({ journal: failing });
    const model = scripted((_, n) => {
      full = n === 0;
      return 'done for ana';
    });
    await refused('INTERNAL', engine.run(agent({ name: 'support', instructions: '', model }), 'go', { id: 'r' }));
    full = false;
    const other = new Engine({ journal: another() });
    await ends(other.run(declared(paid, 'ben', false), 'go'), 'completed');
    expect(await other.recover()).toEqual([]);
    const [found] = await engine.recover();
    expect(found?.runId).toBe('r');
    expect((await ends(found?.run as NonNullable<typeof found>['run'], 'completed')).output).toBe('done for ana');
  });

  test('of a supervisor that is made for each request keeps its own sub-agents', async () => {
    const paid: string[] = [];
    const boss = (tenant: string) =>
      supervisor({
        name: 'boss',
        instructions: '',
        agents: [declared(paid, tenant)],
        model: scripted((r) => (r.messages.at(-1)?.role === 'tool' ? 'done' : asks(['support', { task: 'refund' }]))),
      });
    const engine = new Engine({ journal: make().journal });
    const ana = await ends(engine.run(boss('ana'), 'go'), 'paused');
    await ends(engine.run(boss('ben'), 'go'), 'paused');
    await approve(engine, ana.runId);
    await ends(engine.resume(ana.runId), 'completed');
    expect(paid).toEqual(['ana']);
  });

  test('that did not start keeps no agent', async () => {
    const { journal, another } = make();
    const paid: string[] = [];
    const engine = new Engine({ journal });
    await ends(new Engine({ journal: another() }).run(declared(paid, 'ana'), 'go', { id: 'taken' }), 'paused');
    await refused('RUN_EXISTS', engine.run(declared(paid, 'ben'), 'go', { id: 'taken' }));
    await refused('AGENT_NOT_REGISTERED', engine.resume('taken'));
  });
});

test('two agents of one registered name are refused, however alike they are, and the message says what to do instead', async () => {
  const [one, two] = [declared([], 'ana'), declared([], 'ben')];
  const engine = new Engine({ agents: [one] });
  for (const attempt of [
    () => engine.register(two),
    () => new Engine({ agents: [one, two] }),
    () => engine.run(two, 'go'),
    () => {
      const later = new Engine();
      later.register(two);
      later.register(one);
    },
  ])
    expect((await refused('CONFIG_INVALID', attempt)).message).toMatch(/\{ context \}/);
  // the same one again is not another
  engine.register(one);
  await ends(engine.run(one, 'go'), 'paused');
});

test('at most ten thousand agents are kept: the one that has waited longest is dropped', async () => {
  const agents = new Agents();
  const [a, b] = [declared([], 'ana') as never, declared([], 'ben') as never];
  for (let i = 0; i < 10_000; i++) agents.hold(`r${i}`, a, 0);
  expect(agents.of('r0', 'support')).toBe(a);
  // it paused again, so it is the newest
  agents.hold('r0', a, 0);
  agents.hold('new', b, 0);
  expect([agents.of('r0', 'support'), agents.of('r1', 'support'), agents.of('new', 'support')]).toEqual([a, undefined, b]);
  // those that are being driven count
  agents.hold('newer', b, 5_000);
  expect(agents.of('r4000', 'support')).toBeUndefined();
  expect(agents.of('r6000', 'support')).toBe(a);
  agents.drop('r6000');
  expect(agents.of('r6000', 'support')).toBeUndefined();
});

describe('sweep() and recover()', () => {
  async function due() {
    const paid: string[] = [];
    const engine = new Engine();
    const ids: string[] = [];
    for (const tenant of ['ana', 'ben']) {
      const { runId } = await ends(engine.run(declared(paid, tenant), 'go'), 'paused');
      await approve(engine, runId);
      ids.push(runId);
    }
    return { engine, ids, paid };
  }

  test('work if they are only called', async () => {
    const { engine, ids } = await due();
    const watched = ids.map((id) => all(engine.watch(id)));
    await Promise.all(watched);
    void engine.sweep();
    for (const id of ids) {
      // it is told of by the one that looks next
      while ((await engine.inspect(id)).status !== 'completed') await new Promise(setImmediate);
    }
  });

  test('awaited, return the resumed runs once all have ended or paused', async () => {
    const { engine, ids, paid } = await due();
    const found = await engine.sweep();
    expect(found.map((f) => f.runId).toSorted()).toEqual(ids.toSorted());
    expect(paid).toHaveLength(2);
    for (const { run } of found) expect((await run).status).toBe('completed');
    expect(await engine.sweep()).toEqual([]);
    expect(await engine.recover().finally(() => undefined)).toEqual([]);
  });

  test('may be iterated and awaited: each run is driven once', async () => {
    const { engine, ids, paid } = await due();
    const swept = engine.sweep();
    const [first, second] = [await all(swept), await all(swept)];
    expect(first).toEqual(second);
    expect(await swept).toEqual(first);
    expect(first.map((f) => f.runId).toSorted()).toEqual(ids.toSorted());
    expect(paid).toHaveLength(2);
  });

  test('of a closed engine reject if they are awaited or iterated, and do not crash the process otherwise', async () => {
    const engine = new Engine();
    await engine.close();
    void engine.sweep();
    void engine.recover();
    await refused('ENGINE_CLOSED', engine.sweep());
    await refused('ENGINE_CLOSED', () => all(engine.recover()));
    expect(await engine.recover().catch(codeOf)).toBe('ENGINE_CLOSED');
  });
});

describe('a run', () => {
  test('has catch and finally like a promise', async () => {
    const engine = new Engine();
    const a = agent({ name: 'a', instructions: '', model: scripted(['done']) });
    let after = 0;
    const result = await engine.run(a, 'go').finally(() => void after++);
    expect([result.status, after]).toEqual(['completed', 1]);
    await engine.close();
    const caught = await engine
      .run(a, 'go')
      .finally(() => void after++)
      .catch(codeOf);
    expect([caught, await engine.run(a, 'go').catch(codeOf), after]).toEqual(['ENGINE_CLOSED', 'ENGINE_CLOSED', 2]);
  });

  const model = scripted(() => 'done');
  const opening = (open: () => never) => ({
    engine: new Engine(),
    agent: agent({ name: 'a', instructions: '', model, tools: [{ name: 'shop', open: async () => open() }] }),
  });
  const storing = (thrown: unknown) => {
    const broken = {
      append: () => {
        throw thrown;
      },
    };
    return {
      engine: new Engine({ journal: { ...journals[0]?.make().journal, ...broken } as never }),
      agent: agent({ name: 'a', instructions: '', model }),
    };
  };
  test.each<[string, { engine: Engine; agent: unknown }, string, string]>([
    [
      'a source that throws an error',
      opening(() => {
        throw new Error('no server');
      }),
      'SOURCE_UNAVAILABLE',
      'no server',
    ],
    [
      'a source that throws a ToolError',
      opening(() => {
        throw new ToolError('AUTH', 'no key');
      }),
      'SOURCE_UNAVAILABLE',
      'no key',
    ],
    [
      'a server of tools that is not there',
      opening(() => {
        throw new ToolError('MCP_UNAVAILABLE', 'no shop');
      }),
      'MCP_UNAVAILABLE',
      'no shop',
    ],
    [
      'a source that throws nothing',
      opening(() => {
        throw null;
      }),
      'SOURCE_UNAVAILABLE',
      '"a"',
    ],
    ['a store that throws an error of its own', storing(new TypeError('no table')), 'INTERNAL', 'no table'],
    ['a store that throws a text', storing('no table'), 'INTERNAL', 'no table'],
    ['what is not an agent', { engine: new Engine(), agent: undefined }, 'CONFIG_INVALID', 'this is not an agent'],
  ])('rejects with a RondoError: %s', async (_, { engine, agent }, code, says) => {
    const run = engine.run(agent as never, 'go' as never);
    expect((await refused(code as 'INTERNAL', run)).message).toContain(says);
    await refused(code as 'INTERNAL', () => all(engine.run(agent as never, 'go' as never)));
    expect(await entriesOf(journals[0]?.make().journal as never, run.id)).toEqual([]);
  });
});
