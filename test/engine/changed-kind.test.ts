import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Agent, agent, approve, Engine, foreignAgent, graph, type RunResult, respond, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals, type Kind } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

const ben = { id: 'ben' };
const { make } = journals[0] as Kind;

const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
/** Agents of one name, each of which asks a person once and then ends. */
const kinds = {
  loop: (name = 's') =>
    agent({
      name,
      instructions: '',
      model: scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['pay', {}]))),
      tools: [pay],
    }),
  graph: (name = 's') =>
    graph({
      name,
      state: z.object({ ok: z.boolean().default(false) }),
      nodes: { sign: { ask: () => 'Sure?', answer: z.object({ ok: z.boolean() }), output: ({ ok }) => ({ ok }) } },
      edges: { start: 'sign', sign: 'end' },
    }),
  foreign: (name = 's') =>
    foreignAgent({
      name,
      turn: async (turn) =>
        turn.type === 'start'
          ? { status: 'paused', state: 1, asks: [{ id: 'a', kind: 'question', question: 'Sure?' }] }
          : { status: 'completed', output: 'done' },
    }),
} satisfies { [kind: string]: (name?: string) => Agent };

/** Where the agent stands in its run. The input that it is given fits each kind. */
const places: { readonly [place: string]: (one: Agent) => Agent } = {
  'at the top': (one) => one,
  'below an agent': (one) =>
    agent({
      name: 'desk',
      instructions: '',
      model: scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['s', { task: 'go' }]))),
      agents: [one],
    }),
  'in a graph': (one) =>
    graph({
      name: 'desk',
      state: z.object({}),
      nodes: { work: { agent: one, input: () => ({}), output: () => ({}) } },
      edges: { start: 'work', work: 'end' },
    }),
};

const all = ['loop', 'graph', 'foreign'] as const;
const pairs = all.flatMap((was) => all.filter((now) => now !== was).map((now) => [was, now] as const));

const decide = (engine: Engine, { runId, approvals }: Extract<RunResult, { status: 'paused' }>) =>
  engine.decide(
    runId,
    approvals.map((one) => (one.kind === 'question' ? respond(one, { ok: true }) : approve(one))),
    { by: ben },
  );

/** A graph takes a state, any other agent a text. */
const inputOf = (place: string, kind: keyof typeof kinds) =>
  place === 'in a graph' || (place === 'at the top' && kind === 'graph') ? {} : 'go';

describe.each(Object.entries(places))('an agent %s that became one of another kind while its run waited', (place, within) => {
  test.each(pairs)('%s to %s: nothing is written, and the run goes on once the old one is back', async (was, now) => {
    const { journal, another } = make();
    const old = within(kinds[was]());
    const paused = await ends(new Engine({ journal, agents: [old] }).run(old, inputOf(place, was)), 'paused');
    const engine = new Engine({ journal: another(), agents: [within(kinds[now]())] });
    await decide(engine, paused);
    const { length } = await entriesOf(journal, paused.runId);
    const error = await refused('AGENT_CHANGED', engine.resume(paused.runId));
    expect(error.details).toMatchObject({ runId: paused.runId, agent: 's', was, now });
    await refused('AGENT_CHANGED', engine.fork(paused.runId, { at: length - 1 }));
    expect(await entriesOf(journal, paused.runId)).toHaveLength(length);
    expect((await engine.inspect(paused.runId)).status).toBe('paused');
    await ends(engine.resume(paused.runId, { agent: old }), 'completed');
  });
});

test('a run that waits for a decision, or has ended, needs no agent of its kind', async () => {
  const { journal, another } = make();
  const old = kinds.graph();
  const first = new Engine({ journal, agents: [old] });
  const paused = await ends(first.run(old, {}), 'paused');
  const engine = new Engine({ journal: another(), agents: [kinds.loop()] });
  await ends(engine.resume(paused.runId), 'paused');
  await decide(engine, paused);
  await ends(first.resume(paused.runId), 'completed');
  await ends(engine.resume(paused.runId), 'completed');
});

test('a run whose agent became another kind can be cancelled', async () => {
  const { journal, another } = make();
  const old = kinds.foreign();
  const paused = await ends(new Engine({ journal, agents: [old] }).run(old, 'go'), 'paused');
  const engine = new Engine({ journal: another(), agents: [kinds.graph()] });
  await engine.cancel(paused.runId);
  expect((await engine.inspect(paused.runId)).status).toBe('cancelled');
});

test('a queued run begins with the agent that is there', async () => {
  const { journal, another } = make();
  const { runId } = await new Engine({ journal }).enqueue(kinds.loop(), 'go');
  const engine = new Engine({ journal: another(), agents: [kinds.foreign()] });
  await ends(engine.resume(runId), 'paused');
});
