import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Agent, agent, Engine, type Entry, graph, respond } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { dies, entriesOf, expireLease, journals, type Kind } from '../kit/journals.ts';
import { asks, ends, refused } from '../kit/runs.ts';

const ben = { id: 'ben' };
const { make } = journals[0] as Kind;

const before = z.object({ topic: z.string().transform((text) => text.length), notes: z.string().default('') });
type Nodes = { readonly [name: string]: unknown };
const last: Nodes = { tell: () => ({}) };

/** Plans, asks a person, and then goes on. Its topic is a text that the schema makes a number. */
const letter = (state: z.ZodObject = before, { ask = 'sign', after = last }: { ask?: string; after?: Nodes } = {}) =>
  graph({
    name: 'letter',
    description: '',
    state,
    nodes: {
      plan: () => ({ notes: 'planned' }),
      [ask]: { ask: () => 'Sure?', answer: z.object({}), output: () => ({}) },
      ...after,
    } as { plan: () => object },
    edges: { start: 'plan', plan: ask, [ask]: Object.keys(after)[0], [Object.keys(after)[0] as string]: 'end' } as never,
  }) as Agent;

const changes = (entries: readonly Entry[]) => entries.flatMap((e) => (e.type === 'state.changed' ? [e.state] : []));

/** A run that waits for an answer in the old graph, and an engine with the new one, which was answered. */
async function deployed(now: Agent, { old = letter(), input = { topic: 'tea' } as unknown } = {}) {
  const { journal, another } = make();
  const paused = await ends(new Engine({ journal, agents: [old] }).run(old, input), 'paused');
  const engine = new Engine({ journal: another(), agents: [now] });
  await engine.decide(paused.runId, [respond(paused.approvals[0], {})], { by: ben });
  return { engine, old, journal, another, runId: paused.runId };
}

describe('a graph that was changed while a run of it waited', () => {
  const seen: unknown[] = [];
  let made = 0;
  const more = before.extend({ tone: z.string().default('kind'), stamp: z.number().default(() => ++made), sender: z.string().optional() });
  const telling = () => letter(more, { after: { tell: (s: unknown) => void seen.push(s) } });
  const filled = { topic: 3, notes: 'planned', tone: 'kind', stamp: expect.any(Number) };

  test('has the new fields with their defaults, in the journal once; what its nodes wrote stays', async () => {
    seen.length = 0;
    const { engine, journal, runId } = await deployed(telling());
    const result = await ends(engine.resume(runId), 'completed');
    expect(seen).toEqual([filled]);
    expect(result.output).toEqual(seen[0]);
    expect(changes(await entriesOf(journal, runId))).toEqual([seen[0]]);
  });

  test.each<[string, (one: Agent) => Agent, unknown]>([
    [
      'a node of another graph',
      (one) =>
        graph({
          name: 'desk',
          state: z.object({}),
          nodes: { work: { agent: one, input: () => ({ topic: 'tea' }), output: () => ({}) } },
          edges: { start: 'work', work: 'end' },
        }),
      {},
    ],
    [
      'below an agent',
      (one) =>
        agent({
          name: 'desk',
          instructions: '',
          model: scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['letter', { topic: 'tea' }]))),
          agents: [one],
        }),
      'go',
    ],
  ])('the same where it is %s', async (_, within, input) => {
    seen.length = 0;
    const { engine, journal, runId } = await deployed(within(telling()), { old: within(letter()), input });
    await ends(engine.resume(runId), 'completed');
    expect(seen).toEqual([filled]);
    expect(changes(await entriesOf(journal, runId))).toEqual(seen);
  });

  test('a process that takes over finds the fields in the journal', async () => {
    seen.length = 0;
    const { journal, another, runId } = await deployed(telling());
    const dying = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished'), agents: [telling()] });
    await expect(dying.resume(runId)).rejects.toThrow('gone');
    await expireLease(journal, runId);
    await ends(new Engine({ journal: another(), agents: [telling()] }).resume(runId), 'completed');
    expect(changes(await entriesOf(journal, runId))).toEqual([seen.at(-1)]);
  });

  test('goes on by its new edges and nodes', async () => {
    const { engine, journal, runId } = await deployed(letter(before, { after: { post: () => ({ notes: 'posted' }) } }));
    expect(await ends(engine.resume(runId), 'completed')).toMatchObject({ output: { topic: 3, notes: 'posted' } });
    expect(changes(await entriesOf(journal, runId))).toEqual([]);
  });

  test('a fork of it has the new fields too; what its new state gives counts', async () => {
    seen.length = 0;
    const { engine, journal, runId } = await deployed(telling());
    const at = (await entriesOf(journal, runId)).length - 1;
    for (const state of [undefined, { topic: 'x', notes: 'new', tone: 'dry' }]) {
      const fork = await ends(engine.fork(runId, { at, ...(state && { state }) }), 'paused');
      await engine.decide(fork.runId, [respond(fork.approvals[0], {})], { by: ben });
      await ends(engine.resume(fork.runId), 'completed');
    }
    const stamp = expect.any(Number);
    expect(seen).toEqual([
      { topic: 3, notes: 'planned', tone: 'kind', stamp },
      { topic: 1, notes: 'new', tone: 'dry', stamp },
    ]);
  });

  test('a fork that cannot go on in it is refused, and starts no run', async () => {
    const { engine, journal, runId } = await deployed(letter(before.extend({ tone: z.string() })));
    const error = await refused('AGENT_CHANGED', engine.fork(runId, { at: 3, id: 'the-fork' }));
    expect(error.message).toContain('tone');
    expect(await entriesOf(journal, 'the-fork')).toEqual([]);
    await ends(engine.fork(runId, { at: 3, state: { topic: 'tea', notes: '', tone: 'dry' } }), 'paused');
  });

  test.each([
    ['whose state needs a field that nothing fills in', letter(before.extend({ tone: z.string() })), 'tone'],
    ['that does not have the node any more at which the run waits', letter(before, { ask: 'approve' }), '"sign"'],
  ])('%s: nothing is written, and the run goes on once the old one is back', async (_, now, said) => {
    const { engine, old, journal, runId } = await deployed(now);
    const { length } = await entriesOf(journal, runId);
    const error = await refused('AGENT_CHANGED', engine.resume(runId));
    expect(error.message).toContain(said);
    expect(error.details).toMatchObject({ runId, agent: 'letter', path: ['letter'] });
    expect(await entriesOf(journal, runId)).toHaveLength(length);
    expect(await ends(engine.resume(runId, { agent: old }), 'completed')).toMatchObject({ output: { topic: 3, notes: 'planned' } });
  });
});
