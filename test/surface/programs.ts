// Programs that a user would write. They are compiled, never run: `npm run typecheck` fails where one no longer works as it stands.
import {
  agent,
  append,
  type Decision,
  delegate,
  Engine,
  type Entry,
  fallback,
  graph,
  type HeadFilter,
  handoff,
  type Journal,
  type Model,
  RondoError,
  type RunHead,
  type RunResult,
  supervisor,
  ToolError,
  tool,
} from 'rondo';
import { bedrock } from 'rondo/bedrock';
import { sse } from 'rondo/http';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { mcpTools } from 'rondo/mcp';
import { journalConformance, scripted } from 'rondo/testing';
import { z } from 'zod';

export async function hello() {
  const hello = agent({ name: 'hello', instructions: 'Be brief.', model: bedrock('anthropic.claude') });
  const answer: string = await new Engine().run(hello, 'Hi').output();
  return answer;
}

const refund = tool({
  name: 'refund',
  description: 'Refund an order',
  input: z.object({ orderId: z.string(), cents: z.number().int() }),
  effect: 'idempotent',
  approval: ({ cents }) => cents > 5_000 && { reason: 'over 50 dollars', roles: ['lead'], expires: 86_400_000 },
  timeout: 30_000,
  retry: { attempts: 3 },
  breaker: { failures: 5, recovery: 60_000 },
  execute: async ({ orderId, cents }, { signal, idempotencyKey }) => {
    const body = JSON.stringify({ orderId, cents });
    const paid = await fetch('https://pay.example', { method: 'POST', body, signal, headers: { 'idempotency-key': idempotencyKey } });
    if (paid.status === 429) throw new ToolError('THROTTLING', 'pay says slow down', { outcome: 'not-run', retryAfter: 2_000 });
    return paid.json() as Promise<{ id: string }>;
  },
});
const support = agent({
  name: 'support',
  instructions: '',
  model: fallback([bedrock('sonnet'), bedrock('haiku')]),
  tools: [refund, mcpTools({ command: 'npx', args: ['x'] })],
  limits: { steps: 20, costUsd: 0.5 },
});
await using engine = new Engine({ journal: sqliteJournal('runs.db'), agents: [support] });

// a web server
declare function auth(r: Request): Promise<{ id: string; roles: string[] }>;
export async function start(req: Request) {
  const by = await auth(req);
  const { message, requestId } = (await req.json()) as { message: string; requestId: string };
  return Response.json(await engine.run(support, message, { id: requestId, session: by.id, by }));
}
export async function decide(req: Request, runId: string) {
  const by = await auth(req);
  try {
    await engine.decide(runId, (await req.json()) as Decision[], { by });
    return Response.json(await engine.resume(runId, { by }));
  } catch (e) {
    if (RondoError.is(e, 'RUN_NOT_FOUND')) return new Response(null, { status: 404 });
    throw e;
  }
}

// chat over SSE, with reconnect
export async function chat(req: Request) {
  const by = await auth(req);
  return sse(engine.run(support, await req.text(), { session: by.id, by }));
}
export async function reconnect(req: Request, runId: string): Promise<Response> {
  const after = Number(req.headers.get('last-event-id') ?? -1);
  return sse(engine.watch(runId, { after, by: await auth(req), signal: req.signal }));
}

export async function sessions() {
  await engine.run(support, 'I am Ana', { session: 'ana' });
  const result = await engine.run(support, 'Who am I?', { session: 'ana' });
  return result.status === 'completed' ? result.output : undefined;
}

export async function everyEnding(result: RunResult<string>): Promise<string> {
  switch (result.status) {
    case 'completed':
      return result.output;
    case 'paused':
      return result.approvals[0]?.id ?? `until ${result.waiting[0]?.until}`;
    case 'stopped':
      return `${result.limit.name} ${result.limit.used} of ${result.limit.max}`;
    case 'failed':
      return result.error.code;
    case 'cancelled':
      return result.reason ?? '';
  }
}

export async function events() {
  for await (const event of engine.run(support, 'x')) {
    if (event.type === 'text.delta') process.stdout.write(event.text);
    if (event.type === 'tool.finished' && !event.outcome.ok) console.log(event.seq, event.outcome.error.code);
  }
}

// a test without a model
export async function approvalIsAsked() {
  const model = scripted([{ toolCalls: [{ name: 'refund', input: { orderId: '7', cents: 6000 } }] }, 'done']);
  const a = agent({ name: 'a', instructions: '', model, tools: [refund] });
  const e = new Engine({ agents: [a] });
  const paused = await e.run(a, 'x');
  if (paused.status !== 'paused') throw new Error(paused.status);
  const by = { id: 'ben', roles: ['lead'] };
  await e.decide(
    paused.runId,
    paused.approvals.map(({ id }) => ({ approval: id, type: 'approve' as const })),
    { by },
  );
  const { status } = await e.resume(paused.runId);
  return { status, requests: model.requests.length };
}

// a model of one's own
const mine: Model = {
  provider: 'mine',
  id: 'm1',
  async generate(req, { signal, emit }) {
    const r = await fetch('https://model.example', { signal, body: JSON.stringify(req), method: 'POST' });
    let text = '';
    for await (const c of r.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += c;
      emit?.({ type: 'text', text: c });
    }
    return { content: [{ type: 'text', text }], stop: 'end' };
  },
};

// a journal of one's own
class MapJournal implements Journal {
  readonly durable = false;
  readonly #runs = new Map<string, Entry[]>();
  readonly #heads = new Map<string, RunHead>();

  append(id: string, expected: number, entries: readonly Entry[], head: RunHead) {
    const log = this.#runs.get(id) ?? [];
    if (log.length !== expected) throw new RondoError('JOURNAL_CONFLICT', `${id} holds ${log.length} entries`);
    this.#runs.set(id, [...log, ...entries]);
    this.#heads.set(id, head);
  }
  read(id: string, after = -1) {
    return (this.#runs.get(id) ?? []).slice(after + 1);
  }
  heads(_: HeadFilter) {
    return this.#heads.values();
  }
  renew() {
    return true;
  }
  remove(id: string) {
    this.#runs.delete(id);
  }
}
export const conformance = () => journalConformance(async () => new MapJournal());

// the thenable trap: an async function that returns a run returns its result
async function startRun() {
  return engine.run(support, 'x');
}
export async function trap() {
  const { status } = await startRun();
  // @ts-expect-error already awaited by the async function
  for await (const event of await startRun()) console.log(event);
  return status;
}

// what a tool asks of the context is asked of the code that runs the agent
const tenantTool = tool({
  name: 'tenant',
  description: '',
  input: z.object({}),
  context: z.object({ tenant: z.string() }),
  execute: (_, { context }) => context.tenant,
});
const localeTool = tool({
  name: 'locale',
  description: '',
  input: z.object({}),
  context: z.object({ locale: z.string() }),
  execute: (_, { context }) => context.locale,
});
const needy = agent({
  name: 'needy',
  instructions: ({ context }) => `You work for ${context.tenant} in ${context.locale}.`,
  model: mine,
  tools: [tenantTool, localeTool, refund],
  output: z.object({ total: z.number() }),
});
export async function context() {
  // @ts-expect-error the context is missing
  await engine.run(needy, '');
  // @ts-expect-error one of two is missing
  await engine.run(needy, '', { context: { tenant: 't' } });
  const { total } = await engine.run(needy, '', { context: { tenant: 't', locale: 'de' } }).output();
  return total.toFixed(2);
}

// a supervisor
const model = bedrock('sonnet');
const research = agent({ name: 'research', description: '', instructions: '', model });
const finance = agent({ name: 'finance', description: '', instructions: '', model, output: z.object({ total: z.number() }) });
const billing = agent({ name: 'billing', instructions: '', model });
export const desk = supervisor({
  name: 'desk',
  instructions: '',
  model: fallback([bedrock('sonnet'), bedrock('haiku')]),
  agents: [research, delegate(finance, { share: 'task' }), handoff(billing)],
});

// an agent among the tools, and agents of an agent: the context of each is asked of the top
export function underAnAgent() {
  const one = agent({ name: 'one', instructions: ({ context }) => context.tenant, model: mine, tools: [refund, needy, research] });
  const two = agent({ name: 'two', instructions: ({ context }) => context.locale, model: mine, agents: [handoff(needy)], tools: [refund] });
  // @ts-expect-error the context is missing
  void engine.run(one, '');
  // @ts-expect-error the context is missing
  void engine.run(two, '');
  return [one, two].map((a) => engine.run(a, '', { context: { tenant: 't', locale: 'de' } }));
}

// a graph
const report = graph({
  name: 'report',
  state: z.object({ topic: z.string(), notes: z.array(z.string()).default([]), ok: z.boolean().default(false) }),
  reducers: { notes: append },
  nodes: {
    plan: (s) => ({ topic: s.topic.trim() }),
    web: { agent: research, input: (s) => s.topic, output: (t) => ({ notes: [t] }) },
    sums: { agent: finance, input: (s) => s.topic, output: (f) => ({ notes: [`${f.total}`] }) },
    sign: { ask: (s) => s.notes.join(), answer: z.object({ ok: z.boolean() }), roles: ['lead'], output: (a) => ({ ok: a.ok }) },
  },
  edges: { start: 'plan', plan: ['web', 'sums'], web: 'sign', sums: 'sign', sign: (s) => (s.ok ? 'end' : 'plan') },
  output: (s) => s.notes,
  limits: { steps: 30 },
});
export async function written() {
  const notes: string[] = await engine.run(report, { topic: 'x' }).output();
  return notes;
}

// the context of an agent far below is asked of the top
const g2 = graph({
  name: 'g2',
  state: z.object({ a: z.string() }),
  nodes: { n: { agent: needy, input: (s) => s.a, output: (o) => ({ a: `${o.total}` }) } },
  edges: { start: 'n', n: 'end' },
});
export function contexts() {
  // @ts-expect-error the context is missing
  void engine.run(g2, { a: '' });
  return engine.run(g2, { a: '' }, { context: { tenant: 't', locale: 'de' } });
}
const deep = supervisor({
  name: 'deep',
  instructions: '',
  model: mine,
  agents: [supervisor({ name: 'mid', instructions: '', model: mine, agents: [needy] })],
});
export function deeper() {
  // @ts-expect-error the context is missing
  void engine.run(deep, '');
  return engine.run(deep, '', { context: { tenant: 't', locale: 'de' } });
}

// mistakes in a graph that the compiler finds
export function mistakes() {
  const state = z.object({ a: z.string() });
  // @ts-expect-error a field that the state does not have
  graph({ name: 'g', state, nodes: { n: () => ({ b: 1 }) }, edges: { start: 'n', n: 'end' } });
  // @ts-expect-error a value of another type
  graph({ name: 'g', state, nodes: { n: () => ({ a: 1 }) }, edges: { start: 'n', n: 'end' } });
  // @ts-expect-error an edge to a node that is missing
  graph({ name: 'g', state, nodes: { n: () => ({ a: '' }) }, edges: { start: 'n', n: 'm' } });
  // @ts-expect-error a node without an edge
  graph({ name: 'g', state, nodes: { n: () => ({ a: '' }), m: () => ({}) }, edges: { start: 'n', n: 'end' } });
  // @ts-expect-error an edge from a node that is missing
  graph({ name: 'g', state, nodes: { n: () => ({ a: '' }) }, edges: { start: 'n', n: 'end', m: 'end' } });
  // @ts-expect-error an agent's input that it does not take
  graph({ name: 'g', state, nodes: { n: { agent: g2, input: (s) => s.a, output: () => ({}) } }, edges: { start: 'n', n: 'end' } });
  graph({
    name: 'g',
    state,
    // @ts-expect-error the output of the agent is a text
    nodes: { n: { agent: research, input: (s) => s.a, output: (o) => ({ a: o.total }) } },
    edges: { start: 'n', n: 'end' },
  });
  // @ts-expect-error a reducer of another type
  graph({ name: 'g', state, reducers: { a: append }, nodes: { n: () => ({ a: '' }) }, edges: { start: 'n', n: 'end' } });
}
