/** Every entry of a journal has an event: which one, with which fields, and that it is a copy. */
import { expect, test } from 'vitest';
import { eventOf } from '../../src/engine/read/events.ts';
import {
  agent,
  Engine,
  type EntryType,
  foreignAgent,
  graph,
  type Journal,
  jsonSchema,
  type Memory,
  memoryJournal,
  type NodeContext,
  type RunEvent,
  ToolError,
  tool,
} from '../../src/index.ts';
import { apply, emptyFold } from '../../src/journal/fold/fold.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, entryOf, kept } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const ana = { id: 'ana' };
const total = jsonSchema<{ total: number }>({ type: 'object', properties: { total: { type: 'number' } }, required: ['total'] });
const memory: Memory = { recall: async () => [{ id: 'f', text: 'likes tea' }], record: async () => {} };

/** The events of the entries of a run, one for each. */
async function eventsOf(engine: Engine, journal: Journal, runId: string): Promise<RunEvent[]> {
  const entries = await entriesOf(journal, runId);
  const events = kept(await all(engine.watch(runId)));
  expect(events.map((e) => e.seq)).toEqual(entries.map((e) => e.seq));
  return events;
}

/** A run that recalls, repairs its answer, hears a message, and is recorded in a memory after its end. */
async function conversation() {
  const journal = memoryJournal();
  const engine = new Engine({ journal, memory });
  const hold = deferred();
  const begun = deferred();
  const wait = tool({
    name: 'wait',
    description: '',
    input: anything,
    execute: () => {
      begun.resolve();
      return hold.promise;
    },
  });
  const model = scripted([asks(['wait', {}]), 'seven', '{"total":7}']);
  const a = agent({ name: 'a', instructions: () => 'Secret.', model, tools: [wait], output: total });
  const run = engine.run(a, 'go', { by: ana, session: 's' });
  await begun.promise;
  await engine.send(run.id, 'hurry', { by: ana });
  hold.resolve();
  await ends(run, 'completed');
  await entryOf(journal, run.id, 'memory.recorded');
  return { engine, journal, runId: run.id };
}

/** A graph of a node with a durable step, a foreign agent, and an agent. */
async function drawn() {
  const journal = memoryJournal();
  let charged = 0;
  const plan = async (_: unknown, { durable }: NodeContext) => {
    await durable('charge', () => ++charged, { effect: 'idempotent' });
    return { text: 'planned' };
  };
  const alien = foreignAgent({
    name: 'alien',
    turn: async () => ({ status: 'completed', output: 'x', usage: { input: 3, output: 2 }, costUsd: 1 }),
  });
  const own = agent({ name: 'own', instructions: '', model: scripted(['said', 'said again']) });
  const text = (output: string) => ({ text: output });
  const flow = graph({
    name: 'flow',
    state: jsonSchema<{ text: string }>({ type: 'object', properties: { text: { type: 'string' } } }),
    nodes: { plan, ask: { agent: alien, input: () => 'go', output: text }, write: { agent: own, input: () => 'go', output: text } },
    edges: { start: 'plan', plan: 'ask', ask: 'write', write: 'end' },
  });
  const engine = new Engine({ journal, agents: [flow] });
  const { runId } = await ends(engine.run(flow, { text: '' }), 'completed');
  return { engine, journal, runId };
}

test('a conversation: its context, messages, repair and recording', async () => {
  const { engine, journal, runId } = await conversation();
  const events = await eventsOf(engine, journal, runId);
  expect(events.map((e) => e.type)).toEqual([
    'run.started',
    'context.changed',
    'model.finished',
    'tool.started',
    'message.received',
    'tool.finished',
    'context.changed',
    'model.finished',
    'repair.asked',
    'model.finished',
    'memory.due',
    'run.ended',
    'memory.recorded',
  ]);
  const changes = events.filter((e) => e.type === 'context.changed');
  const base = { runId, path: ['a'], at: expect.any(Number), type: 'context.changed' };
  expect(changes).toEqual([
    { ...base, step: 0, seq: 1, instructions: true, memory: 1 },
    { ...base, step: 1, seq: 6, heard: 1 },
  ]);
  expect(events.find((e) => e.type === 'repair.asked')).toMatchObject({ text: expect.stringContaining('not JSON') });
  expect(events.at(-1)).toMatchObject({ attempt: 1 });
  // what an agent is told is the operator's: engine.entries() has it
  expect(JSON.stringify(events)).not.toMatch(/Secret|likes tea/);
});

test('a recording that fails says with which code, and when it is tried again', async () => {
  const record = () => Promise.reject(new ToolError('NETWORK', 'down', { retryable: true }));
  const journal = memoryJournal();
  const engine = new Engine({ journal, memory: { ...memory, record } });
  const a = agent({ name: 'a', instructions: '', model: scripted(['done']) });
  const { runId } = await ends(engine.run(a, 'go', { by: ana, session: 's' }), 'completed');
  await entryOf(journal, runId, 'memory.recorded');
  const [failed] = (await eventsOf(engine, journal, runId)).filter((e) => e.type === 'memory.recorded');
  expect(failed).toMatchObject({ attempt: 1, error: { code: 'NETWORK' }, retryIn: expect.any(Number) });
  await engine.close();
});

test('a graph: its nodes, durable steps, and the turns of a foreign agent', async () => {
  const { engine, journal, runId } = await drawn();
  const events = await eventsOf(engine, journal, runId);
  const told = events.map(({ type, path, ...e }) => [type, path.join('/'), 'node' in e ? e.node : undefined]);
  expect(told).toEqual([
    ['run.started', 'flow', undefined],
    ['graph.started', 'flow', undefined],
    ['durable.started', 'flow', 'plan'],
    ['durable.finished', 'flow', 'plan'],
    ['node.finished', 'flow', 'plan'],
    ['agent.started', 'flow/alien', undefined],
    ['foreign.started', 'flow/alien', undefined],
    ['turn.started', 'flow/alien', undefined],
    ['turn.finished', 'flow/alien', undefined],
    ['node.finished', 'flow', 'ask'],
    ['agent.started', 'flow/own', undefined],
    ['model.finished', 'flow/own', undefined],
    ['node.finished', 'flow', 'write'],
    ['run.ended', 'flow', undefined],
  ]);
  expect(events[1]).toMatchObject({ next: ['plan'] });
  expect(events[3]).toMatchObject({ callId: expect.stringContaining('/charge'), name: 'charge', outcome: { ok: true }, attempts: 1 });
  expect(events[8]).toMatchObject({ outcome: { ok: true }, usage: { input: 3, output: 2 }, costUsd: 1 });
});

test('what fails in a graph tells its error', async () => {
  const journal = memoryJournal();
  const refused = () => {
    throw new ToolError('REFUSED', 'no', { outcome: 'failed' });
  };
  const alien = foreignAgent({ name: 'alien', turn: async () => refused() });
  const plan = async (_: unknown, { durable }: NodeContext) => void (await durable('charge', refused).catch(() => undefined));
  const flow = graph({
    name: 'flow',
    state: anything,
    nodes: { plan, ask: { agent: alien, input: () => 'go', output: () => ({}) } },
    edges: { start: 'plan', plan: 'ask', ask: 'end' },
  });
  const engine = new Engine({ journal });
  const { runId } = await ends(engine.run(flow, {}), 'failed');
  const events = await eventsOf(engine, journal, runId);
  const error = { code: 'REFUSED', message: 'no', outcome: 'failed' };
  for (const type of ['durable.finished', 'turn.finished'] as const)
    expect(events.find((e) => e.type === type)).toMatchObject({ outcome: { ok: false, error } });
});

test('a fork: what was left out of the old run, and the new state', async () => {
  const { engine, journal, runId } = await drawn();
  const at = (await entriesOf(journal, runId)).findIndex((e) => e.type === 'frame.opened') - 1;
  const state = { text: 'by hand' };
  const fork = await ends(engine.fork(runId, { at, state }), 'completed');
  const events = await eventsOf(engine, journal, fork.runId);
  expect(events.find((e) => e.type === 'state.changed')).toMatchObject({ state });
});

test('a run that another process cancels tells who asked, and why', async () => {
  const journal = memoryJournal();
  const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
  const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}])]), tools: [sign] });
  const { runId } = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
  const other = new Engine({ journal });
  await other.cancel(runId, { reason: 'enough', by: ana });
  const events = await eventsOf(other, journal, runId);
  expect(events.find((e) => e.type === 'cancel.requested')).toMatchObject({ reason: 'enough', by: ana });
});

test('every type of entry has an event', () => {
  // the keys are checked by the compiler: a new type of entry is named here, and in eventOf
  const types: Readonly<Record<EntryType, readonly [entry: object, event: RunEvent['type']]>> = {
    'run.started': [{ agent: 'a', fingerprint: 'f', input: 'go', owner: 'o' }, 'run.started'],
    'run.claimed': [{ owner: 'o', epoch: 1, fingerprint: 'f' }, 'run.resumed'],
    'context.changed': [{ instructions: 'x' }, 'context.changed'],
    'message.received': [{ kind: 'cancel' }, 'cancel.requested'],
    'attempt.failed': [{ of: 'model', step: 1, attempt: 1, code: 'X', message: 'm' }, 'attempt.failed'],
    'model.responded': [
      { step: 1, model: 'm', content: ['a', 'b', 'c'].map((id) => ({ type: 'toolCall', id, name: id, input: {} })), stop: 'tools', ms: 1 },
      'model.finished',
    ],
    'call.started': [{ call: '5.0', effect: 'once' }, 'tool.started'],
    'wait.began': [{ call: '5.1', until: 2_000 }, 'wait.began'],
    'event.rejected': [{ call: '5.1', id: 'e', problem: 'no text' }, 'event.rejected'],
    'call.finished': [{ call: '5.0', ok: true, output: 1, attempts: 1, ms: 1 }, 'tool.finished'],
    'outcome.settled': [{ call: '5.0', source: 'operator', outcome: 'done' }, 'outcome.settled'],
    'intent.reopened': [{ call: '5.0', intent: { name: 'a', key: 'k', digest: 'd' }, by: ana, reason: 'it bounced' }, 'intent.reopened'],
    'run.evaluated': [{ name: 'polite', pass: true, score: 1, ms: 1 }, 'run.evaluated'],
    'call.dismissed': [{ call: '5.0', by: ana, reason: 'paid by hand' }, 'call.dismissed'],
    'approval.requested': [{ id: 'x', call: '5.1', kind: 'tool', tool: 'b', digest: 'd', allow: ['approve'] }, 'approval.asked'],
    'approval.decided': [{ id: 'x', decision: { approval: 'x', type: 'approve' }, by: ana, digest: 'd' }, 'approval.decided'],
    'frame.opened': [{ call: '5.2', agent: 'c', fingerprint: 'f', input: 'go' }, 'agent.started'],
    'frame.began': [{ frame: '5.2', kind: 'graph', state: {}, next: [{ node: 'n' }] }, 'graph.started'],
    'state.changed': [{ frame: '5.2', state: { n: 1 } }, 'state.changed'],
    'entry.omitted': [{ was: 'run.claimed' }, 'entry.omitted'],
    'memory.due': [{ key: 'k' }, 'memory.due'],
    'memory.recorded': [{ key: 'k', attempt: 1 }, 'memory.recorded'],
    'context.compacted': [{ by: 'keepLast', dropped: [], tokens: { before: 9, after: 9 } }, 'context.compacted'],
    'run.settled': [{ status: 'completed', output: 'done', ms: 1 }, 'run.ended'],
  };
  const run = emptyFold('r', 'a');
  Object.entries(types).forEach(([type, [fields, expected]], seq) => {
    const entry = { v: 2, seq, at: 1, type, ...fields } as never;
    apply(run, entry);
    expect(eventOf(run, entry), type).toMatchObject({ type: expected, seq, at: 1, runId: 'r' });
  });
});

test('events are copies: a reader who changes them changes no journal', async () => {
  const spoil = (value: object): void => {
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner === 'object' && inner !== null) spoil(inner);
      Object.assign(value, { [key]: null });
    }
  };
  const fork = async () => {
    const { engine, journal, runId } = await drawn();
    const { seq: at } = await entryOf(journal, runId, 'frame.began');
    return { engine, journal, runId: (await ends(engine.fork(runId, { at, state: { text: 'x' } }), 'completed')).runId };
  };
  for (const made of [conversation, drawn, fork]) {
    const { engine, journal, runId } = await made();
    const before = structuredClone(await entriesOf(journal, runId));
    for await (const event of engine.watch(runId)) {
      const { path: _, ...fields } = event;
      spoil(fields);
    }
    expect(await entriesOf(journal, runId)).toEqual(before);
  }
});

test('the start of a node that is in the journal names the node', () => {
  const run = emptyFold('r', 'flow');
  const told = (entry: object) => {
    apply(run, entry as never);
    return eventOf(run, entry as never);
  };
  told({ v: 2, seq: 0, at: 1, type: 'run.started', agent: 'flow', fingerprint: 'f', input: {}, owner: 'o' });
  told({ v: 2, seq: 1, at: 1, type: 'frame.began', kind: 'graph', state: {}, next: [{ node: 'one' }, { node: 'two' }] });
  const [, call] = [...(run.root.tasks?.keys() ?? [])];
  const started = told({ v: 2, seq: 2, at: 1, type: 'call.started', call, effect: 'idempotent' });
  expect(started).toMatchObject({ type: 'node.started', callId: call, node: 'two' });
});

test('a secret is masked in every event, as it is in the journal', async () => {
  const secret = 'sk-very-secret-0123456789';
  const journal = memoryJournal();
  const events: RunEvent[] = [];
  const engine = new Engine({
    journal,
    identity: { get: async () => ({ token: secret }) },
    onEvent: (e) => void events.push(e),
  });
  const model = scripted([asks(['use', {}]), `the key is ${secret}`, '{"total":7}']);
  const use = tool({
    name: 'use',
    description: '',
    input: anything,
    credentials: { key: { provider: 'p' } },
    execute: (_, { credentials }) => `got ${credentials.key}`,
  });
  await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [use], output: total }), 'go', { by: ana }), 'completed');
  expect(events.map((e) => e.type)).toContain('repair.asked');
  expect(JSON.stringify(events)).not.toContain(secret);
});
