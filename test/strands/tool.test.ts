import type { AgentConfig, AgentResult, JSONValue, Snapshot } from '@strands-agents/sdk';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type RondoToolOptions, rondoTool, strandsAgent } from '../../src/adapters/strands/index.ts';
import { type Approval, agent, askHuman, agent as declare, Engine, type Journal, supervisor, tool } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { journals } from '../kit/journals.ts';
import { asks, ends, shown } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';
import { stored } from '../kit/turns.ts';
import { FakeModel, results, type Said, strands } from './model.ts';

function store() {
  const kind = journals.find((j) => j.name === 'sqlite');
  if (!kind) throw new Error('no sqlite');
  return kind.make();
}
/** The interrupts of a pause, with the approvals they stand for. */
function asked(result: AgentResult) {
  expect(result.stopReason).toBe('interrupt');
  return (result.interrupts ?? []).map(({ id, reason }) => ({
    id,
    about: reason as unknown as Approval & { kind: 'tool'; refused?: string },
  }));
}

/** Our agent behind a Strands agent, as each process makes both; only the journal and the Strands snapshot are carried over. */
function office(said: readonly Said[], answers: readonly Scripted[], sent: string[] = []) {
  const model = new FakeModel(said);
  const ours = scripted(answers);
  const mail = tool({
    name: 'mail',
    description: 'Sends mail',
    input: z.object({ to: z.string() }),
    approval: ({ to }) => to !== 'ana' && { ...(to === 'boss' && { roles: ['lead'] }) },
    execute: ({ to }) => {
      sent.push(to);
      return `sent to ${to}`;
    },
  });
  const clerk = agent({ name: 'clerk', instructions: 'Write.', model: ours, tools: [mail, askHuman()] });
  const make = (journal: Journal, o: RondoToolOptions = {}, config: AgentConfig = {}) => {
    const engine = new Engine({ journal, agents: [clerk] });
    return { engine, agent: strands({ model, tools: [rondoTool(engine, clerk, o)], ...config }) };
  };
  return { model, ours, sent, make };
}

const delegate: Said = [{ id: 'c1', name: 'clerk', input: { input: 'Write to them' } }];
const mails = (...to: string[]): Scripted => ({ toolCalls: to.map((t, i) => ({ id: `m${i}`, name: 'mail', input: { to: t } })) });
const carried = (agent: { takeSnapshot(o: { preset: 'session' }): Snapshot }) => stored(agent.takeSnapshot({ preset: 'session' }));
const say = (interruptId: string, response: JSONValue) => ({ interruptResponse: { interruptId, response } });

test('our agent answers as a tool of a Strands agent, and its events are told', async () => {
  const { journal } = store();
  const { model, make, ours } = office([delegate, 'Done.'], [mails('ana'), 'Sent.']);
  const { agent } = make(journal);
  const events: string[] = [];
  for await (const event of agent.stream('go'))
    if (event.type === 'toolStreamUpdateEvent') events.push((event.event.data as { type: string }).type);
  expect(results(model.seen[1])).toEqual([['c1', 'success', 'Sent.']]);
  expect(ours.requests[0]?.messages).toMatchObject([{ role: 'user', content: [{ text: 'Write to them' }] }]);
  expect(events).toEqual(expect.arrayContaining(['run.started', 'tool.finished', 'text.delta', 'run.ended']));
  expect(agent.appState.get('rondo.runs')).toBeUndefined();
});

test('all open approvals interrupt at once; their answers reach the same run in another process, and nothing is repeated', async () => {
  const { journal, another } = store();
  const { model, make, ours, sent } = office([delegate, 'Done.'], [mails('ana', 'ben', 'cleo', 'dan'), 'Sent.']);
  const first = make(journal);
  const [b, c, d, ...none] = asked(await first.agent.invoke('go'));
  if (!b || !c || !d) throw new Error('three approvals were expected');
  expect([b, c, d, ...none].map(({ about }) => [about.kind, about.tool, about.input])).toEqual(
    ['ben', 'cleo', 'dan'].map((to) => ['tool', 'mail', { to }]),
  );
  expect(sent).toEqual(['ana']);
  const snapshot = carried(first.agent);
  await first.engine.close();

  const second = make(another());
  second.agent.loadSnapshot(snapshot);
  const done = await second.agent.invoke([say(b.id, { type: 'edit', input: { to: 'bob' } }), say(c.id, false), say(d.id, 'y')]);
  expect(done.stopReason).toBe('endTurn');
  expect(sent.toSorted()).toEqual(['ana', 'bob', 'dan']);
  expect(results(model.seen[1])).toEqual([['c1', 'success', 'Sent.']]);
  expect(ours.requests).toHaveLength(2);
  const runs = [];
  for await (const run of second.engine.runs()) runs.push(run.status);
  expect(runs).toEqual(['completed']);
  await second.engine.close();
});

test('answers may come one by one; a false answer to a question is an answer', async () => {
  const { journal } = store();
  const ask: Scripted = {
    toolCalls: [
      { id: 'q1', name: 'ask_human', input: { question: 'Sure?' } },
      { id: 'm1', name: 'mail', input: { to: 'ben' } },
    ],
  };
  const { make, ours, sent } = office([delegate, 'Done.'], [ask, 'Sent.']);
  const { agent } = make(journal);
  const pause = asked(await agent.invoke('go'));
  const question = pause.find((i) => i.about.kind !== 'tool')?.id ?? '';
  const call = pause.find((i) => i.about.kind === 'tool')?.id ?? '';
  const still = asked(await agent.invoke([say(question, false)]));
  expect(still.map((i) => i.id)).toEqual([call]);
  expect(sent).toEqual([]);
  expect((await agent.invoke([say(call, { type: 'approve' })])).stopReason).toBe('endTurn');
  expect(sent).toEqual(['ben']);
  expect(JSON.stringify(ours.requests[1]?.messages)).toContain('false');
});

test('a person without the role approves nothing: the interrupt is raised again, and the answer is not reused', async () => {
  for (const lea of [true, false]) {
    const { journal } = store();
    const { model, make, sent } = office([delegate, 'Done.'], [mails('boss'), 'Over.']);
    const { agent } = make(journal, { decidedBy: (_, state) => state.user as { id: string } });
    const [first] = asked(await agent.invoke('go'));
    const eve = { id: 'eve' };
    const [second, ...more] = asked(await agent.invoke([say(first?.id ?? '', true)], { invocationState: { user: eve } }));
    expect(more).toEqual([]);
    expect(second?.about).toMatchObject({ kind: 'tool', tool: 'mail', refused: expect.stringContaining('lead') });
    expect(sent).toEqual([]);
    const done = await agent.invoke([say(second?.id ?? '', lea)], { invocationState: { user: { id: 'lea', roles: ['lead'] } } });
    expect(done.stopReason).toBe('endTurn');
    expect(results(model.seen[1])).toEqual([['c1', 'success', 'Over.']]);
    expect(sent).toEqual(lea ? ['boss'] : []);
  }
});

test('a run that does not complete is told as an error, and so is one that is gone', async () => {
  const { journal } = store();
  const { model, make } = office([delegate, 'Done.', delegate, 'Done.'], [{ error: 'VALIDATION' }, mails('ben')]);
  const { agent } = make(journal);
  await agent.invoke('go');
  expect(results(model.seen[1])).toMatchObject([['c1', 'error', expect.stringContaining('"code":"VALIDATION"')]]);
  const [pause] = asked(await agent.invoke('again'));
  for await (const { runId } of make(journal).engine.runs({ status: 'paused' })) await journal.remove(runId);
  await agent.invoke([say(pause?.id ?? '', true)]);
  expect(results(model.seen.at(-1)).at(-1)).toMatchObject(['c1', 'error', expect.stringContaining('RUN_NOT_FOUND')]);
});

test('cancelling the Strands agent cancels our run', async () => {
  const { journal } = store();
  const { make } = office([delegate, 'Done.'], [{ text: 'late', delay: 60_000 }]);
  const { agent, engine } = make(journal);
  const invocation = agent.stream('go');
  for (let next = await invocation.next(); !next.done; next = await invocation.next())
    if (next.value.type === 'toolStreamUpdateEvent') agent.cancel();
  const runs = [];
  for await (const run of engine.runs()) runs.push(run);
  expect(runs.map((r) => r.status)).toEqual(['cancelled']);
});

test('an approval that was decided elsewhere is not asked for again, and a run that another process drives is waited for', async () => {
  for (const busy of [true, false]) {
    const { journal, another } = store();
    const going = deferred();
    const said: string[] = [];
    const { model, make, sent } = office([delegate, 'Done.'], [mails('ben'), 'Sent.']);
    const { agent } = make(journal);
    const [pause] = asked(await agent.invoke('go'));
    const slow = tool({
      name: 'mail',
      description: 'Sends mail',
      input: z.object({ to: z.string() }),
      approval: true,
      execute: async ({ to }) => (said.push(to), await going.promise, `sent to ${to}`),
    });
    const ours = scripted(['Sent by the other.']);
    const engine = new Engine({
      journal: another(),
      agents: [declare({ name: 'clerk', instructions: 'Write.', model: ours, tools: [slow] })],
    });
    if (!pause) throw new Error('it asked nothing');
    const { id, runId } = pause.about;
    await engine.decide(runId, [{ approval: id, type: 'approve' }], { by: { id: 'console' } });
    const driven = engine.resume(runId);
    await until(() => said.length === 1);
    if (!busy) {
      going.resolve();
      await ends(driven, 'completed');
    }
    const done = agent.invoke([say(pause.id, false)]);
    // long enough for it to be refused the run, and to wait
    await settle(50);
    going.resolve();
    expect((await done).stopReason).toBe('endTurn');
    expect(results(model.seen[1])).toEqual([['c1', 'success', 'Sent by the other.']]);
    expect([said, sent]).toEqual([['ben'], []]);
    await engine.close();
  }
});

test('a Rondo agent in a Strands agent in a Rondo agent: its question is asked at the top unchanged, and the decision reaches it', async () => {
  for (const [decision, ledger, told] of [
    [{ type: 'approve' }, ['ben'], 'sent to ben'],
    [{ type: 'edit', input: { to: 'bob' } }, ['bob'], 'sent to bob'],
    [{ type: 'reject', reason: 'not today' }, [], 'not today'],
  ] as const) {
    const { journal } = store();
    const { model, make, ours, sent } = office([delegate, 'Done.'], [mails('ben'), 'Over.']);
    const middle = strandsAgent({ name: 'middle', agent: () => make(journal).agent });
    const top = scripted([asks(['middle', { task: 'write' }]), 'done']);
    const boss = supervisor({ name: 'boss', instructions: '', model: top, agents: [middle] });
    const engine = new Engine({ journal, agents: [boss] });
    const paused = await ends(engine.run(boss, 'hi'), 'paused');
    expect(paused.approvals).toMatchObject([{ kind: 'tool', tool: 'mail', input: { to: 'ben' }, path: ['boss', 'middle'] }]);
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, ...decision }], { by: { id: 'lea' } });
    await ends(engine.resume(paused.runId), 'completed');
    expect(sent).toEqual(ledger);
    expect(shown(ours.requests[1])).toMatchObject([{ text: expect.stringContaining(told) }]);
    expect(results(model.seen[1])).toEqual([['c1', 'success', 'Over.']]);
    await engine.close();
  }
});
