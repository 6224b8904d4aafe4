// What the compiler knows of the surface. Compiled by `npm run typecheck`, never run.
import { expectTypeOf } from 'vitest';
import { z } from 'zod';
import {
  type Agent,
  type Approval,
  agent,
  type Decision,
  type Engine,
  handoff,
  type JsonSchema,
  jsonSchema,
  type Model,
  type Prompt,
  RondoError,
  type Run,
  type RunEvent,
  type RunResult,
  type RunState,
  type Tool,
  type ToolSource,
  tool,
} from '../../src/index.ts';

declare const model: Model;
declare const source: ToolSource;
declare const engine: Engine;

// a tool: its arguments are what the schema makes of them, its context what its schema says
const refund = tool({
  name: 'refund',
  description: '',
  input: z.object({ orderId: z.string(), cents: z.coerce.number(), note: z.string().optional() }),
  context: z.object({ tenant: z.string() }),
  credentials: { key: { provider: 'pay' } },
  approval: (input, { context, by }) => {
    expectTypeOf(input).toEqualTypeOf<{ orderId: string; cents: number; note?: string | undefined }>();
    expectTypeOf(context).toEqualTypeOf<{ tenant: string }>();
    expectTypeOf(by?.id).toEqualTypeOf<string | undefined>();
    return input.cents > 5 && { reason: 'much', roles: ['lead'] };
  },
  execute: async (input, ctx) => {
    expectTypeOf(input.cents).toEqualTypeOf<number>();
    expectTypeOf(ctx.context.tenant).toEqualTypeOf<string>();
    expectTypeOf(ctx.credentials).toEqualTypeOf<{ readonly key: string }>();
    expectTypeOf(ctx.signal).toEqualTypeOf<AbortSignal>();
    expectTypeOf(ctx.idempotencyKey).toEqualTypeOf<string>();
    // @ts-expect-error a credential that was not declared
    void ctx.credentials.other;
    // @ts-expect-error a field that the schema does not know
    void input.amount;
    return { id: input.orderId, paid: input.cents };
  },
  check: ({ input }) => {
    expectTypeOf(input.cents).toEqualTypeOf<number>();
    return { outcome: 'done', output: { id: '1', paid: 1 } };
  },
  toModel: (output) => {
    expectTypeOf(output).toEqualTypeOf<{ id: string; paid: number }>();
    return output.id;
  },
});
expectTypeOf(refund).toEqualTypeOf<
  Tool<'refund', { orderId: string; cents: number; note?: string | undefined }, { id: string; paid: number }, { tenant: string }>
>();

const options = { description: '', input: z.object({}) };
// @ts-expect-error an effect that there is not
tool({ ...options, name: 'x', effect: 'twice', execute: () => 1 });
// @ts-expect-error a text is not a schema
tool({ name: 'x', description: '', input: 'string', execute: () => 1 });
// @ts-expect-error what check found must be what execute returns
tool({ ...options, name: 'x', execute: () => 1, check: () => ({ outcome: 'done', output: 'one' }) });
tool({
  ...options,
  name: 'x',
  input: jsonSchema<{ n: number }>({ type: 'object' }),
  execute: ({ n }) => expectTypeOf(n).toEqualTypeOf<number>(),
});

// plain JSON Schema: what a literal says of its values is known
const point = { type: 'object', properties: { x: { type: 'number' }, tag: { enum: ['a', 'b'] } }, required: ['x'] } as const;
tool({
  name: 'x',
  description: '',
  input: {
    type: 'object',
    properties: { at: point, list: { type: 'array', items: { type: ['string', 'null'] } }, free: { anyOf: [] } },
    required: ['at', 'free'],
  },
  execute: (input) => {
    expectTypeOf(input.at.x).toEqualTypeOf<number>();
    expectTypeOf(input.at.tag).toEqualTypeOf<'a' | 'b' | undefined>();
    expectTypeOf(input.list).toEqualTypeOf<(string | null)[] | undefined>();
    expectTypeOf(input.free).toBeAny();
    // @ts-expect-error a field that the schema does not know
    void input.amount;
  },
});
declare const document: JsonSchema;
tool({ name: 'x', description: '', input: document, execute: (input) => expectTypeOf(input).toBeAny() });
const pointed = agent({ name: 'x', instructions: '', model, output: point });
expectTypeOf(engine.run(pointed, '').output()).resolves.toExtend<{ x: number; tag?: 'a' | 'b' }>();

// an agent: asks for the context of all its tools, gives what its output schema makes
const locale = tool({ ...options, name: 'locale', context: z.object({ locale: z.string() }), execute: () => 1 });
const plain = tool({ ...options, name: 'plain', execute: () => 1 });
const needy = agent({
  name: 'needy',
  model,
  tools: [refund, locale, plain, source],
  output: z.object({ total: z.number().default(0) }),
  instructions: ({ context, session }) => {
    expectTypeOf(context.tenant).toEqualTypeOf<string>();
    expectTypeOf(context.locale).toEqualTypeOf<string>();
    expectTypeOf(session).toEqualTypeOf<string | undefined>();
    return '';
  },
});
expectTypeOf(needy).toExtend<Agent<Prompt, { total: number }, { tenant: string } & { locale: string }>>();
const simple = agent({ name: 'simple', instructions: '', model, tools: [plain, source] });
expectTypeOf(simple).toExtend<Agent<Prompt, string, object>>();
// @ts-expect-error no model
agent({ name: 'x', instructions: '' });
// @ts-expect-error a limit that there is not
agent({ name: 'x', instructions: '', model, limits: { step: 1 } });

// a run: context where it is needed, an output of the agent's type
expectTypeOf(engine.run(simple, 'go')).toEqualTypeOf<Run<string>>();
expectTypeOf(engine.run(needy, 'go', { context: { tenant: 't', locale: 'de' } }).output()).resolves.toEqualTypeOf<{ total: number }>();
void engine.run(simple, [{ type: 'text', text: 'hi' }], {
  session: 's',
  by: { id: 'ana' },
  limits: { steps: 3 },
  signal: AbortSignal.abort(),
  tags: { a: 'b' },
});
// @ts-expect-error the context is needed
void engine.run(needy, 'go');
// @ts-expect-error half of the context
void engine.run(needy, 'go', { context: { tenant: 't' } });
// a schedule: the same
const daily = { cron: '0 9 * * *', input: 'go', by: { id: 'ana' } };
void engine.schedule('daily', { ...daily, agent: simple });
void engine.schedule('daily', { ...daily, agent: needy, context: { tenant: 't', locale: 'de' } });
// @ts-expect-error the context is needed
void engine.schedule('daily', { ...daily, agent: needy });
// @ts-expect-error half of the context
void engine.schedule('daily', { ...daily, agent: needy, context: { tenant: 't' } });
// @ts-expect-error no input
void engine.run(simple, 7);
// @ts-expect-error a principal needs an id
void engine.run(simple, 'go', { by: { roles: [] } });

// what it comes to, by its status
declare const result: RunResult<string>;
if (result.status === 'completed') expectTypeOf(result.output).toEqualTypeOf<string>();
if (result.status === 'paused') expectTypeOf(result.approvals[0]).toEqualTypeOf<Approval | undefined>();
if (result.status === 'paused' && result.waiting.length === 0) expectTypeOf(result.approvals).toExtend<readonly Approval[]>();
if (result.status === 'stopped') expectTypeOf(result.limit.name).toExtend<string>();
if (result.status === 'failed') expectTypeOf(result.error.code).toEqualTypeOf<string>();
expectTypeOf(result.costUsd).toEqualTypeOf<number | undefined>();
// @ts-expect-error only a completed run has an output
void result.output;
expectTypeOf<Awaited<Run<string>>>().toEqualTypeOf<RunResult<string>>();

async function returned() {
  return engine.run(simple, 'go');
}
expectTypeOf(returned()).resolves.toEqualTypeOf<RunResult<string>>();

declare const event: RunEvent;
if (event.type === 'text.delta') expectTypeOf(event.attempt).toEqualTypeOf<number>();
if (event.type === 'tool.finished') expectTypeOf(event.seq).toEqualTypeOf<number>();
if (event.seq === undefined) expectTypeOf(event.type).toEqualTypeOf<'text.delta' | 'reasoning.delta' | 'tool.delta' | 'tool.progress'>();
else expectTypeOf(event.type).toExtend<string>();

// people
declare const approval: Approval;
if (approval.kind === 'tool') expectTypeOf(approval.digest).toEqualTypeOf<string>();
if (approval.kind === 'question') expectTypeOf(approval.question).toEqualTypeOf<string>();
if (approval.kind === 'consent') expectTypeOf(approval.url).toEqualTypeOf<string>();
const decisions: Decision[] = [
  { approval: 'a', type: 'approve', note: 'ok' },
  { approval: 'a', type: 'edit', input: { n: 1 } },
  { approval: 'a', type: 'reject', reason: 'no' },
  { approval: 'a', type: 'respond', answer: [1] },
];
expectTypeOf(engine.decide('r', decisions, { by: { id: 'ben' } })).resolves.toEqualTypeOf<readonly Approval[]>();
// @ts-expect-error a rejection needs a reason
decisions.push({ approval: 'a', type: 'reject' });
// @ts-expect-error no one decides
void engine.decide('r', decisions);

expectTypeOf(engine.inspect('r')).resolves.toEqualTypeOf<RunState>();
expectTypeOf(engine.watch('r', { after: 3 })).toExtend<AsyncIterable<RunEvent>>();
expectTypeOf(engine.recover()).toExtend<AsyncIterable<{ runId: string; run: Run }>>();
expectTypeOf(engine.sweep()).toExtend<AsyncIterable<{ runId: string; run: Run }>>();
expectTypeOf(engine).toExtend<AsyncDisposable>();

declare const thrown: unknown;
if (RondoError.is(thrown, 'RUN_BUSY')) expectTypeOf(thrown.code).toEqualTypeOf<'RUN_BUSY'>();
// @ts-expect-error a code that there is not
RondoError.is(thrown, 'RUN_LOST');

// what answers after a handoff: the schema of the agent that handed over, or else either of them
const counted = agent({ name: 'counted', instructions: '', model, output: z.object({ n: z.number() }) });
const desk = { name: 'desk', instructions: '', model };
expectTypeOf(engine.run(agent({ ...desk, agents: [handoff(counted)] }), 'x').output()).resolves.toEqualTypeOf<string | { n: number }>();
expectTypeOf(engine.run(agent({ ...desk, tools: [handoff(counted)] }), 'x').output()).resolves.toEqualTypeOf<string | { n: number }>();
expectTypeOf(engine.run(agent({ ...desk, agents: [counted] }), 'x').output()).resolves.toEqualTypeOf<string>();
const either = agent({ ...desk, agents: [handoff(counted)], output: z.object({ said: z.string() }) });
expectTypeOf(engine.run(either, 'x').output()).resolves.toEqualTypeOf<{ said: string }>();

// a run, and what drives due ones, are like promises: what follows one is a promise
expectTypeOf(engine.run(support, 'hi').then(({ status }) => status)).toEqualTypeOf<Promise<RunResult<string>['status']>>();
expectTypeOf(engine.recover().then((runs) => runs.length)).toEqualTypeOf<Promise<number>>();
