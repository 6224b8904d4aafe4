import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, approve, delegate, Engine, graph, handoff, supervisor, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { dies, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';

const ben = { id: 'ben' };
const leaf = (name: string, steps: Parameters<typeof scripted>[0], tools: ReturnType<typeof tool>[] = [], more = {}) =>
  agent({ name, description: `does ${name}`, instructions: `You are ${name}.`, model: scripted(steps), tools, ...more });

describe.each(journals)('a supervisor on $name', ({ make }) => {
  test('gives tasks to several agents at once, and is told their answers in the order asked', async () => {
    const { journal } = make();
    const model = scripted([asks(['research', { task: 'find' }], ['finance', { task: 'add up' }]), 'both done']);
    const desk = supervisor({
      name: 'desk',
      instructions: '',
      model,
      agents: [leaf('research', ['found']), leaf('finance', ['42'])],
    });
    const run = new Engine({ journal }).run(desk, 'go');
    const result = await ends(run, 'completed');
    expect(result).toMatchObject({ output: 'both done', steps: 4 });
    const told = model.requests[1]?.messages.at(-1);
    expect(told?.content).toMatchObject([{ output: [{ text: 'found' }] }, { output: [{ text: '42' }] }]);
    const kinds = (await entriesOf(journal, run.id)).map((e) => `${e.type} ${e.frame ?? ''}`);
    expect(kinds.filter((k) => k.startsWith('frame.opened'))).toHaveLength(2);
  });

  test('an approval three levels down surfaces at the top with its path, and one resume elsewhere reaches it', async () => {
    const { journal, another } = make();
    const ledger: string[] = [];
    const pay = tool({
      name: 'pay',
      description: '',
      input: anything,
      approval: true,
      execute: ({ n }) => `paid ${ledger.push(`paid ${n}`)}`,
    });
    const made = () => {
      const clerk = (name: string, n: number) => leaf(name, [asks(['pay', { n }]), `${name} paid`], [pay]);
      const mid = (name: string, below: ReturnType<typeof clerk>) =>
        supervisor({
          name,
          description: '',
          instructions: '',
          model: scripted([asks([below.name, { task: 'pay' }]), `${name} done`]),
          agents: [below],
        });
      return supervisor({
        name: 'top',
        instructions: '',
        model: scripted([asks(['left', { task: 'x' }], ['right', { task: 'y' }]), 'all done']),
        agents: [mid('left', clerk('ann', 1)), mid('right', clerk('bob', 2))],
      });
    };
    const first = new Engine({ journal });
    const run = first.run(made(), 'go');
    const paused = await ends(run, 'paused');
    expect(paused.approvals.map((a) => a.path)).toEqual([
      ['top', 'left', 'ann'],
      ['top', 'right', 'bob'],
    ]);
    // one by one, and in another engine, whose models go on where the others were
    const scriptOf = (name: string) => (name === 'top' ? ['all done'] : name.length === 3 ? [`${name} paid`] : [`${name} done`]);
    const later = () => {
      const clerk = (name: string) => leaf(name, scriptOf(name), [pay]);
      const mid = (name: string, below: ReturnType<typeof clerk>) =>
        supervisor({ name, description: '', instructions: '', model: scripted(scriptOf(name)), agents: [below] });
      return supervisor({
        name: 'top',
        instructions: '',
        model: scripted(scriptOf('top')),
        agents: [mid('left', clerk('ann')), mid('right', clerk('bob'))],
      });
    };
    const second = new Engine({ journal: another(), agents: [later()] });
    const [a, b] = paused.approvals;
    await second.decide(run.id, [{ approval: (b as typeof a).id, type: 'approve' }], { by: ben });
    const still = await ends(second.resume(run.id), 'paused');
    expect(still.approvals.map((x) => x.path)).toEqual([['top', 'left', 'ann']]);
    expect(ledger).toEqual(['paid 2']);
    await second.decide(run.id, [{ approval: a.id, type: 'approve' }], { by: ben });
    expect(await ends(second.resume(run.id), 'completed')).toMatchObject({ output: 'all done' });
    expect(ledger).toEqual(['paid 2', 'paid 1']);
  });

  test('an agent that takes over the conversation sees it, and its answer ends the run', async () => {
    const { journal } = make();
    const billing = scripted(['I can refund you.']);
    const model = scripted([asks(['handoff_to_billing', { reason: 'money' }]), 'never asked']);
    const desk = supervisor({
      name: 'desk',
      instructions: '',
      model,
      agents: [handoff(agent({ name: 'billing', instructions: 'You are billing.', model: billing }), { when: 'money' })],
    });
    expect(await ends(new Engine({ journal }).run(desk, 'I was charged twice'), 'completed')).toMatchObject({
      output: 'I can refund you.',
    });
    expect(model.requests).toHaveLength(1);
    const seen = JSON.stringify(billing.requests[0]?.messages);
    expect(seen).toContain('I was charged twice');
    expect(seen).toContain('You take over this conversation from desk: money');
  });

  test.each(['an approval', 'a limit', 'a fork'])(
    'an agent that took over the conversation keeps it over %s, in another process',
    async (over) => {
      const { journal, another } = make();
      const paid: string[] = [];
      const approval = over !== 'a limit';
      const pay = tool({ name: 'pay', description: '', input: anything, approval, execute: () => `paid ${paid.push('x')}` });
      const desk = () => {
        const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'You have been paid.' : asks(['pay', {}])));
        const billing = agent({ name: 'billing', instructions: '', model, tools: [pay] });
        const front = scripted([asks(['handoff_to_billing', { reason: 'money' }])]);
        // asked again, the agent that handed over would have no answer
        return {
          front,
          desk: supervisor({ name: 'desk', instructions: '', model: front, agents: [handoff(billing)], limits: { depth: 1 } }),
        };
      };
      const first = desk();
      const limits = over === 'a limit' ? { steps: 2 } : {};
      const began = await new Engine({ journal }).run(first.desk, 'pay me', { limits, by: ben });
      expect(began.status).toBe(over === 'a limit' ? 'stopped' : 'paused');
      const second = desk();
      const engine = new Engine({ journal: another(), agents: [second.desk] });
      const o = { by: ben };
      const forked = async () => ends(engine.fork(began.runId, { at: (await engine.inspect(began.runId, o)).seq, ...o }), 'paused');
      const { runId } = over === 'a fork' ? await forked() : began;
      const { approvals } = await engine.inspect(runId, o);
      if (approval) await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], o);
      const ended = await ends(engine.resume(runId, { ...o, ...(!approval && { limits: { steps: 10 } }) }), 'completed');
      expect([ended.output, paid, second.front.requests.length]).toEqual(['You have been paid.', ['x'], 0]);
    },
  );
});

test('a sub-agent sees its task alone, unless it is given more', async () => {
  const alone = scripted(['a']);
  const all = scripted(['b']);
  const some = scripted(['c']);
  const desk = supervisor({
    name: 'desk',
    instructions: '',
    model: scripted([asks(['alone', { task: 'one' }], ['all', { task: 'two' }], ['some', { task: 'three' }]), 'done']),
    agents: [
      agent({ name: 'alone', instructions: '', model: alone }),
      delegate(agent({ name: 'all', instructions: '', model: all }), { share: 'history' }),
      delegate(agent({ name: 'some', instructions: '', model: some }), {
        share: () => [{ role: 'user', content: [{ type: 'text', text: 'picked' }] }],
      }),
    ],
  });
  await ends(new Engine().run(desk, 'the secret is 7'), 'completed');
  const texts = (m: typeof alone) => m.requests[0]?.messages.map((message) => (message.content[0] as { text: string }).text);
  expect(texts(alone)).toEqual(['one']);
  expect(texts(all)).toEqual(['the secret is 7', 'two']);
  expect(texts(some)).toEqual(['picked', 'three']);
});

test('a sub-agent that fails is an observation, and its parent goes on', async () => {
  const model = scripted([asks(['bad', { task: 'x' }]), 'I could not']);
  const desk = supervisor({
    name: 'desk',
    instructions: '',
    model,
    agents: [leaf('bad', [{ error: 'MODEL_DOWN' } as never], [], { reliability: { model: { retry: { attempts: 1 } } } })],
  });
  expect(await ends(new Engine().run(desk, 'go'), 'completed')).toMatchObject({ output: 'I could not' });
  expect(JSON.stringify(model.requests[1]?.messages.at(-1))).toContain('MODEL_DOWN');
});

describe('a supervisor that makes no sense is refused where it is declared:', () => {
  const research = leaf('research', ['x']);
  const flow = graph({ name: 'flow', state: z.object({ a: z.string() }), nodes: { n: () => {} }, edges: { start: 'n', n: 'end' } });
  const make = (o: object) => supervisor({ name: 'desk', instructions: '', model: scripted(['x']), agents: [research], ...o } as never);
  test.each<[string, () => unknown, string]>([
    ['no agents', () => make({ agents: [] }), 'has no agents'],
    ['agents that are no list', () => make({ agents: research }), 'has no agents'],
    ['something that is not an agent', () => make({ agents: [{ name: 'x' }] }), 'each of its agents must come from'],
    ['one agent twice', () => make({ agents: [research, research] }), 'two tools or agents named "research"'],
    ['two agents of one name', () => make({ agents: [research, leaf('research', ['y'])] }), 'Rename one: delegate(agent, { name })'],
    [
      'an agent named like a tool',
      () => make({ tools: [tool({ name: 'research', description: '', input: anything, execute: () => 1 })] }),
      'two tools or agents',
    ],
    ['a name that no model takes', () => delegate(research, { name: 'my agent' }), 'is not a name that models take'],
    ['an agent whose name has a space', () => leaf('my agent', ['x']), 'Write "my_agent".'],
    ['a graph that is handed a conversation', () => make({ agents: [handoff(flow)] }), 'takes no conversation'],
    ['a share that is none', () => delegate(research, { share: 'all' as 'task' }), "share is 'task', 'history' or a function"],
    ['a limit that is none', () => delegate(research, { limits: { cost: 1 } as object }), 'there is no limit "cost"'],
    ['a delegate that is not an agent', () => delegate({ name: 'x' } as never), 'this is not an agent'],
    ['an agent whose name begins with a sign', () => leaf('@x', ['x']), 'Write "_x".'],
  ])('%s', (_, declare, message) => {
    expect(declare).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }));
  });

  test('a tool among the agents is a type error that says where it belongs', () => {
    const look = tool({ name: 'look', description: '', input: anything, execute: () => 1 });
    expect(() => make({ agents: [look] })).toThrow('"look" among its agents is a tool. List it in tools.');
    expect(() => make({ tools: [{ name: 'x' }] })).toThrow('each of its tools must come from tool() or agent()');
    expect(() => make({ tools: look })).toThrow('tools is a list');
  });

  test('one agent may be used under two names', async () => {
    const model = scripted([asks(['fast', { task: 'a' }], ['slow', { task: 'b' }]), 'both']);
    const echo = agent({ name: 'echo', instructions: '', model: scripted((r) => JSON.stringify(r.messages.at(-1)?.content)) });
    const desk = supervisor({
      name: 'desk',
      instructions: '',
      model,
      agents: [delegate(echo, { name: 'fast' }), delegate(echo, { name: 'slow' })],
    });
    await ends(new Engine().run(desk, 'go'), 'completed');
    expect(model.requests[1]?.messages.at(-1)?.content).toHaveLength(2);
  });
});

test('agent() takes agents as supervisor() does, and an agent among the tools is one of them', async () => {
  const declared = [
    (research: ReturnType<typeof leaf>, model: ReturnType<typeof scripted>) =>
      supervisor({ name: 'desk', instructions: '', model, agents: [research] }),
    (research: ReturnType<typeof leaf>, model: ReturnType<typeof scripted>) =>
      agent({ name: 'desk', instructions: '', model, agents: [research] }),
    (research: ReturnType<typeof leaf>, model: ReturnType<typeof scripted>) =>
      agent({ name: 'desk', instructions: '', model, tools: [research] }),
    (research: ReturnType<typeof leaf>, model: ReturnType<typeof scripted>) =>
      agent({ name: 'desk', instructions: '', model, tools: [delegate(research)] }),
  ];
  const requests = [];
  const fingerprints = new Set();
  for (const declare of declared) {
    const model = scripted([asks(['research', { task: 'find' }]), 'done']);
    const made = declare(leaf('research', ['found']), model);
    fingerprints.add((made as unknown as { fingerprint: string }).fingerprint);
    await ends(new Engine().run(made, 'go'), 'completed');
    requests.push(model.requests);
  }
  expect(requests[0]?.[1]?.messages.at(-1)?.content).toMatchObject([{ output: [{ text: 'found' }] }]);
  for (const other of requests) expect(other).toEqual(requests[0]);
  // a run that one of them began goes on with another
  expect(fingerprints.size).toBe(1);
});

test('an agent that takes part in another is still an agent: it runs, is registered, and is a node', async () => {
  const echo = agent({ name: 'echo', instructions: '', model: scripted(() => 'heard') });
  const part = delegate(echo, { name: 'fast', limits: { steps: 1 } });
  const engine = new Engine({ agents: [part, echo] });
  expect(await ends(engine.run(part, 'go'), 'completed')).toMatchObject({ output: 'heard' });
  const flow = graph({
    name: 'flow',
    state: z.object({ a: z.string() }),
    nodes: { n: { agent: handoff(echo), input: (s) => s.a, output: (a) => ({ a }) } },
    edges: { start: 'n', n: 'end' },
  });
  expect(await ends(engine.run(flow, { a: 'x' }), 'completed')).toMatchObject({ output: { a: 'heard' } });
});

describe('a sub-agent that is not declared any more, and had begun', () => {
  const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
  const book = tool({ name: 'book', description: '', input: anything, effect: 'once', execute: () => 'booked' });
  const clerk = (...tools: readonly string[]) =>
    leaf('clerk', ({ messages }) => asks([tools[messages.filter(({ role }) => role === 'tool').length] as string, {}]), [pay, book]);
  /** The run waits in the clerk, and goes on where there is something else in its place. */
  async function goesOn(before: ReturnType<typeof clerk>, now: readonly (ReturnType<typeof clerk> | ReturnType<typeof tool>)[]) {
    const { journal, another } = (journals[0] as (typeof journals)[number]).make();
    const model = scripted([asks(['clerk', { task: 'go' }]), 'done']);
    const desk = (tools: typeof now) => agent({ name: 'desk', instructions: '', model, tools });
    const paused = await ends(new Engine({ journal }).run(desk([before]), 'go'), 'paused');
    const engine = new Engine({ journal: another(), agents: [desk(now)] });
    await engine.decide(paused.runId, [approve(paused.approvals[0])], { by: ben });
    await ends(engine.resume(paused.runId), 'completed');
    return failure(shown(model.requests[1])[0]);
  }

  test('is named to the agent above, and no process is said to have stopped', async () => {
    const told = await goesOn(clerk('pay'), []);
    expect(told).toMatchObject({ code: 'TOOL_NOT_FOUND', outcome: 'failed' });
    expect(told.message).toMatch(/no agent "clerk" any more/);
  });

  test('and that had acted: what it did may have taken effect', async () => {
    const told = await goesOn(clerk('book', 'pay'), []);
    expect(told).toMatchObject({ code: 'TOOL_NOT_FOUND', outcome: 'unknown' });
    expect(told.message).toMatch(/do not repeat it/);
  });

  test('a tool of its name does not run in its place, without its own approval', async () => {
    let ran = 0;
    const other = tool({ name: 'clerk', description: '', input: anything, approval: true, execute: () => ++ran });
    expect((await goesOn(clerk('pay'), [other])).message).toMatch(/no agent "clerk" any more/);
    expect(ran).toBe(0);
  });
});

test('an agent does not take the place of a tool that had started: whether that took effect is unknown', async () => {
  const { journal, another } = (journals[0] as (typeof journals)[number]).make();
  const model = scripted(({ messages }) => (messages.length === 1 ? asks(['clerk', { task: 'go' }]) : 'done'));
  const sub = scripted(['hired']);
  const before = tool({ name: 'clerk', description: '', input: anything, effect: 'once', execute: () => 'hired' });
  const desk = (one: typeof before | ReturnType<typeof leaf>) => agent({ name: 'desk', instructions: '', model, tools: [one] });
  const run = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished') }).run(desk(before), 'go');
  await expect(run).rejects.toThrow('gone');
  await expireLease(journal, run.id);
  const now = desk(agent({ name: 'clerk', instructions: '', model: sub }));
  await ends(new Engine({ journal: another(), agents: [now] }).resume(run.id), 'completed');
  expect(sub.requests).toEqual([]);
  expect(failure(shown(model.requests.at(-1))[0])).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
});
