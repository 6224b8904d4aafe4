import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { serveAgUi } from '../../src/adapters/ag-ui/index.ts';
import { type Agent, type Ask, agent, Engine, foreignAgent, graph, type Json } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all } from '../kit/journals.ts';
import { obedient, Page, type Seen } from './agents.ts';

// a run that says nothing before it asks: the user said the last message that the client has, and it sends that beside the answer

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

async function serving(of: Agent) {
  const engine = new Engine();
  // no worker: it would go on with a decided run before the page says anything
  const server = await serveAgUi(engine, of, { worker: false });
  onTestFinished(async () => {
    await server.close();
    await engine.close();
  });
  /** The messages that the newest run was given while it was open. */
  const told = async () => {
    const [run] = await all(engine.runs({}));
    return (await all(engine.entries(run?.runId ?? ''))).filter(({ type }) => type === 'message.received').length;
  };
  return { url: server.url, told };
}

const signing = () =>
  graph({
    name: 'sign',
    state: z.object({ topic: z.string(), ok: z.boolean().default(false), sure: z.boolean().default(false) }),
    nodes: {
      sign: { ask: ({ topic }) => `Sign ${topic}?`, answer: z.object({ ok: z.boolean() }), output: ({ ok }) => ({ ok }) },
      confirm: { ask: () => 'Are you sure?', answer: z.object({ ok: z.boolean() }), output: ({ ok }) => ({ sure: ok }) },
    },
    edges: { start: 'sign', sign: 'confirm', confirm: 'end' },
    output: ({ ok, sure }) => `signed ${ok && sure}`,
  });

/** A foreign agent that asks first, and then says what was decided. */
const clerk = (ask: Ask) =>
  foreignAgent<string, Json>({
    name: 'clerk',
    description: 'Works with people',
    turn: async (turn) =>
      turn.type === 'start'
        ? { status: 'paused', state: {}, asks: [ask] }
        : { status: 'completed', output: `decided: ${turn.answers[0]?.decision.type}` },
  });
const QUESTION: Ask = { id: 'q', kind: 'question', question: 'Which room?' };
const CALL: Ask = { id: 'c', kind: 'tool', tool: 'mail', input: { to: 'ana' } };

const startsOf = ({ events }: Seen) => events.flatMap((e) => (e.type === 'TOOL_CALL_START' ? [[e.toolCallId, e.toolCallName]] : []));

test('the asks of a graph are answered by the client, with something new said beside the answer or not', async () => {
  const { url, told } = await serving(signing());
  const page = new Page(url, 't');
  const first = await page.say('{"topic":"tides"}');
  expect(first.interrupts).toMatchObject([{ message: 'Sign tides?' }]);
  const second = await page.answer(() => ({ ok: true }));
  expect([second.error, second.interrupts]).toMatchObject([undefined, [{ message: 'Are you sure?' }]]);
  // a graph asks no model that could be told of it
  const resume = second.interrupts.map(({ id }) => ({ interruptId: id, status: 'resolved' as const, payload: { ok: true } }));
  expect((await page.say('Thanks', { resume })).error).toBeUndefined();
  expect(page.shown.at(-1)).toEqual({ assistant: 'signed true' });
  expect(await told()).toBe(0);
});

test.each([
  ['a question', QUESTION, 'hall', 'respond'],
  ['a call', CALL, { approved: true }, 'approve'],
])('%s of a foreign agent is answered by the client', async (_, ask, payload, decision) => {
  const { url } = await serving(clerk(ask));
  const page = new Page(url, 't');
  await page.say('Book a table');
  expect((await page.answer(() => payload)).error).toBeUndefined();
  expect(page.shown.at(-1)).toEqual({ assistant: `decided: ${decision}` });
});

test('the page is shown the call of a foreign agent that is to be approved', async () => {
  const { url } = await serving(clerk(CALL));
  const page = new Page(url, 't');
  const seen = await page.say('Book a table');
  expect(startsOf(seen)).toEqual([[seen.interrupts[0]?.toolCallId, 'mail']]);
  expect(page.shown.at(-1)).toEqual({ calls: [['mail', { to: 'ana' }]] });
  // the next turn does not show it again
  expect(startsOf(await page.answer(() => ({ approved: true })))).toEqual([]);
});

test('the page is shown the call of a foreign sub-agent too', async () => {
  const model = scripted([{ toolCalls: [{ name: 'clerk', input: { task: 'x' } }] }, 'Done.']);
  const { url } = await serving(agent({ name: 'boss', instructions: '', agents: [clerk(CALL)], model }));
  const page = new Page(url, 't');
  const seen = await page.say('Book a table');
  expect(startsOf(seen).at(-1)).toEqual([seen.interrupts[0]?.toolCallId, 'mail']);
  expect(startsOf(seen)).toHaveLength(2);
  expect((await page.answer(() => ({ approved: true }))).error).toBeUndefined();
  expect(page.shown.at(-1)).toEqual({ assistant: 'Done.' });
});

test('what was said beside the first of two answers is not said again with the second', async () => {
  const { clerk: paying, paid } = obedient();
  const { url, told } = await serving(paying);
  const page = new Page(url, 't');
  const { interrupts } = await page.say('call pay {"to":"eve","cents":1}; call pay {"to":"bob","cents":2}');
  const answer = (i: number) => [{ interruptId: interrupts[i]?.id ?? '', status: 'resolved' as const, payload: { approved: true } }];
  page.agent.pendingInterrupts = interrupts.slice(0, 1);
  await page.say('and history', { resume: answer(0) });
  const { messages } = page.agent;
  page.agent.setMessages(messages.slice(0, messages.findIndex(({ content }) => content === 'and history') + 1));
  page.agent.pendingInterrupts = interrupts.slice(1);
  await page.send({ resume: answer(1) });
  expect([paid.length, await told()]).toEqual([2, 1]);
});
