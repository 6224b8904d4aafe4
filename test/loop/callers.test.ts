import { afterEach, describe, expect, test, vi } from 'vitest';
import { agent, Engine, memoryJournal, type SourceCaller, type ToolSource, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entryOf } from '../kit/journals.ts';
import { anything, asks, ends, shown } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

interface Connection {
  caller: SourceCaller;
  keys: string[];
  listed: number;
  closed: boolean;
}

/** A source that says who it was opened for, in what it offers and in what it answers. */
function office(perCaller = true) {
  const connections: Connection[] = [];
  const source: ToolSource = {
    name: 'office',
    perCaller,
    async open({ signal: _, ...caller }) {
      const connection: Connection = { caller, keys: Object.keys(caller), listed: 0, closed: false };
      const number = connections.push(connection);
      const whose = caller.by?.id ?? 'all';
      const mail = tool({
        name: 'mail',
        description: `the mail of ${whose}`,
        input: anything,
        effect: 'read',
        execute: () => `connection ${number} of ${whose}`,
      });
      return {
        list: async () => {
          connection.listed++;
          return [mail];
        },
        close: async () => {
          connection.closed = true;
        },
      };
    },
  };
  return { source, connections };
}

const clerk = (source: ToolSource, script: Parameters<typeof scripted>[0] = () => 'done') => {
  const model = scripted(script);
  return { model, agent: agent({ name: 'clerk', instructions: '', model, tools: [source] }) };
};
const ana = { id: 'ana', tenant: 'acme', roles: ['clerk'] };
const ben = { id: 'ben', tenant: 'acme', roles: [] };

afterEach(() => void vi.useRealTimers());

describe('a source that is opened per caller', () => {
  test('gets the caller, and is opened once for all runs of that caller in that session', async () => {
    const { source, connections } = office();
    const { agent: a } = clerk(source);
    await using engine = new Engine();
    const as = { by: ana, session: 's', assertion: 'token-of-ana-1' };
    await ends(engine.run(a, 'go', as), 'completed');
    await ends(engine.run(a, 'go', as), 'completed');
    expect(connections).toHaveLength(1);
    expect(connections[0]).toMatchObject({ caller: { by: ana, session: 's', assertion: { type: 'jwt', token: 'token-of-ana-1' } } });
    expect(connections[0]?.listed).toBe(2);
  });

  test('gets no caller if it is shared, and is opened once for all callers', async () => {
    const { source, connections } = office(false);
    const { agent: a } = clerk(source);
    await using engine = new Engine();
    await ends(engine.run(a, 'go', { by: ana, session: 's', assertion: 'token-of-ana-1' }), 'completed');
    await ends(engine.run(a, 'go', { by: ben }), 'completed');
    expect(connections.map(({ keys }) => keys)).toEqual([[]]);
  });

  test('is opened apart for another user, tenant, session or token, and for a user whose roles or claims are others now', async () => {
    const { source, connections } = office();
    const { agent: a } = clerk(source);
    await using engine = new Engine();
    const callers = [
      {},
      { by: { id: 'ana' } },
      { by: ana },
      { by: ben },
      { by: { ...ana, roles: ['lead'] } },
      { by: { ...ana, claims: { team: 'returns' } } },
      { by: ana, session: 's' },
      { by: ana, assertion: 'token-of-ana-1' },
      { by: ana, assertion: 'token-of-ana-2' },
      { by: ana, assertion: { type: 'opaque', token: 'token-of-ana-2' } },
      { assertion: 'token-of-ana-1' },
      { by: { id: 'a","b', tenant: 'acme' } },
    ];
    for (const caller of callers) await ends(engine.run(a, 'go', caller), 'completed');
    expect(connections).toHaveLength(callers.length);
  });

  test('serves a sub-agent on the connection of the run, and cannot change who the run is for', async () => {
    const { source, connections } = office();
    const tampered: ToolSource = {
      ...source,
      async open(o) {
        (o.by as { id: string }).id = 'ben';
        return source.open(o);
      },
    };
    const model = scripted([asks(['expert', { task: 'go' }]), 'sub', 'done']);
    const expert = agent({ name: 'expert', description: 'knows', instructions: '', model, tools: [tampered] });
    const boss = agent({ name: 'boss', instructions: '', model, tools: [tampered], agents: [expert] });
    const journal = memoryJournal();
    await using engine = new Engine({ journal });
    const { runId } = await ends(engine.run(boss, 'go', { by: ana }), 'completed');
    expect(connections.map(({ listed }) => listed)).toEqual([2]);
    expect((await entryOf(journal, runId, 'run.started')).by?.id).toBe('ana');
  });

  test('is closed when no run has used it for five minutes; one that a run uses stays open', async () => {
    const { source, connections } = office();
    const { agent: a } = clerk(source);
    await using engine = new Engine();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await ends(engine.run(a, 'go', { by: ana }), 'completed');
    const asked = deferred();
    const answer = deferred<string>();
    const instructions = () => {
      asked.resolve();
      return answer.promise;
    };
    vi.advanceTimersByTime(299_000);
    const run = engine.run(agent({ name: 'waiting', instructions, model: scripted(['done']), tools: [source] }), 'go', { by: ana });
    const result = ends(run, 'completed');
    await asked.promise;
    vi.advanceTimersByTime(10_000);
    expect(connections.map(({ closed }) => closed)).toEqual([false]);
    answer.resolve('');
    await result;
    await engine.close();
    expect(connections.map(({ closed }) => closed)).toEqual([true]);
  });

  test('is closed when it has been idle, and opened again by the next run of that caller', async () => {
    const { source, connections } = office();
    const { agent: a } = clerk(source);
    await using engine = new Engine();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await ends(engine.run(a, 'go', { by: ana }), 'completed');
    vi.advanceTimersByTime(300_000);
    expect(connections.map(({ closed }) => closed)).toEqual([true]);
    await ends(engine.run(a, 'go', { by: ana }), 'completed');
    expect(connections.map(({ closed }) => closed)).toEqual([true, false]);
  });

  test('keeps at most 100 connections that no run uses: the least recently used are closed', async () => {
    const { source, connections } = office();
    const { agent: a } = clerk(source);
    await using engine = new Engine();
    for (let i = 0; i < 100; i++) await ends(engine.run(a, 'go', { by: { id: `user${i}` } }), 'completed');
    expect(connections.filter(({ closed }) => closed)).toEqual([]);
    await ends(engine.run(a, 'go', { by: { id: 'user0' } }), 'completed');
    await ends(engine.run(a, 'go', { by: { id: 'one more' } }), 'completed');
    expect(connections.filter(({ closed }) => closed).map(({ caller }) => caller.by?.id)).toEqual(['user1']);
    await engine.close();
    expect(connections.every(({ closed }) => closed)).toBe(true);
  });

  test('that failed to open for one caller is opened again by the next run, and does not affect other callers', async () => {
    const { source, connections } = office();
    let up = false;
    const flaky: ToolSource = {
      ...source,
      open: async (o) => {
        if (!up && o.by?.id === 'ana') throw new Error('expired');
        return source.open(o);
      },
    };
    const { agent: a } = clerk(flaky);
    await using engine = new Engine({ journal: memoryJournal() });
    await expect(engine.run(a, 'go', { by: ana })).rejects.toThrow('expired');
    await ends(engine.run(a, 'go', { by: ben }), 'completed');
    up = true;
    await ends(engine.run(a, 'go', { by: ana }), 'completed');
    expect(connections.map(({ caller }) => caller.by?.id)).toEqual(['ben', 'ana']);
  });
});

describe('the approver of a call', () => {
  test('who resumes the run gives it no rights of theirs: it has a connection without a token, and that is not used again', async () => {
    const { source, connections } = office();
    const asking: ToolSource = {
      ...source,
      async open(o) {
        const opened = await source.open(o);
        const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => o.assertion?.token.length ?? 0 });
        return { ...opened, list: async () => [...(await opened.list()), pay] };
      },
    };
    const { agent: a, model } = clerk(asking, [asks(['pay', {}]), 'done', 'done']);
    await using engine = new Engine({ agents: [a] });
    const paused = await ends(engine.run(a, 'go', { by: ana, assertion: 'token-of-ana' }), 'paused');
    const approve = [{ approval: paused.approvals[0].id, type: 'approve' }] as const;
    await ends(engine.decide(paused.runId, approve, { by: ben, assertion: 'the-token-of-ben', resume: true }), 'completed');
    expect(shown(model.requests[1])[0]?.text).toBe('0');
    await ends(engine.run(a, 'go', { by: ana, assertion: 'token-of-ana' }), 'completed');
    expect(connections.map(({ caller }) => caller.assertion?.token)).toEqual(['token-of-ana', undefined]);
  });
});
