/**
 * The door of a gateway, inside a call that the engine's gate has let through: the interceptor of the request, the rate limits, the policy once more
 * about arguments that an interceptor changed, the target, the interceptor of the response.
 */
import { type Outcome, ToolError } from '../../errors.ts';
import { permission } from '../../hitl/policy.ts';
import { isSameJson, type Json, type JsonObject, plainJson } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { driven, isGenerator } from '../../loop/call/generator.ts';
import type { Passage, PassageContext } from '../../loop/call/passage.ts';
import type { ToolDefinition } from '../../loop/types.ts';
import type { Policy } from '../../ports/policy.ts';
import { CancelSource } from '../../reliability/cancel.ts';
import { bounded, failureOf, messageOf } from '../../reliability/classify.ts';
import { validate } from '../../schema.ts';
import { type GatewayRequest, type GatewayResponse, type InterceptedCall, type Interception, requestOf } from './interception.ts';
import type { Exceeded, RateLimits } from './rate-limits.ts';

/** What stands between a call and the targets of a gateway. */
export interface Door {
  readonly interception?: Interception | undefined;
  readonly limits?: RateLimits | undefined;
  readonly policy?: Policy | undefined;
}

/** The tool behind the door. */
export interface Behind {
  readonly target: string;
  /** Its name in the target. */
  readonly name: string;
  readonly fullName: string;
  readonly tool: ToolDefinition;
}

type Options = ToolDefinition['options'];

/** Whether the door has something to do when a call passes. */
export const guards = ({ interception, limits }: Door): boolean => interception !== undefined || limits !== undefined;

/**
 * The options of a tool that runs behind the door, in place of its own. What an interceptor answers may differ from one caller to the
 * next, so it is not cached.
 */
export function behindDoor(door: Door, behind: Behind): Partial<Options> {
  const { interception } = door;
  const { options } = behind.tool;
  if (!guards(door)) return {};
  const { check } = options;
  return {
    execute: passing(door, behind),
    ...(interception && { cache: undefined }),
    ...(interception?.hasResponse && check && { check: checked(interception, behind, check) }),
  };
}

function passing(door: Door, behind: Behind): Options['execute'] {
  const { interception } = door;
  const { options, effect } = behind.tool;
  if (!interception)
    return (input, ctx) => {
      admit(door, behind, ctx);
      return options.execute(input, ctx);
    };
  return async (input, ctx) => {
    const taken = await entering(door, interception, behind, { args: argumentsAsJson(input), input }, ctx);
    if ('output' in taken) return taken.output;
    const value = taken.given ? taken.given.value : input;
    if (!interception.hasResponse) return options.execute(value, ctx);
    let came: Came<unknown>;
    try {
      const first: unknown = await options.execute(value, ctx);
      came = { output: isGenerator(first) ? await driven(first, ctx.signal, ctx.progress as (data: unknown) => void) : first };
    } catch (error) {
      // it asks a person, and runs again with the answer
      if (ToolError.is(error) && error.code === 'PERSON_NEEDED') throw error;
      came = { error };
    }
    return leaving(interception, taken.request, came, ctx, outcomeOf(came, effect === 'read' ? 'failed' : 'unknown'));
  };
}

/** For a tool that an agent answers: what is before its frame and behind it, where other tools have their body. */
export function passageOf(door: Door, behind: Behind): Passage | undefined {
  const { interception } = door;
  if (!guards(door)) return undefined;
  return {
    async before(args, ctx) {
      if (!interception) {
        admit(door, behind, ctx);
        return { args };
      }
      const taken = await entering(door, interception, behind, { args: argumentsAsJson(args), input: args }, ctx);
      return 'output' in taken ? taken : { args: taken.given?.shown ?? args };
    },
    async after(args, end, ctx, outcome) {
      if (!interception?.hasResponse) return end;
      const came: Came<Json> = end.ok ? { output: end.output } : { error: new ToolError(end.error.code, end.error.message, end.error) };
      try {
        const request = callOf(ctx.callId, behind.fullName, argumentsAsJson(args));
        return { ok: true, output: await leaving(interception, request, came, ctx, outcomeOf(came, outcome)) };
      } catch (error) {
        return !end.ok && 'error' in came && error === came.error ? end : { ok: false, error: failureOf(error, 'AGENT_FAILED') };
      }
    },
  };
}

/** What a `check` finds out after a crash is an answer of the target too. */
function checked(interception: Interception, { fullName }: Behind, check: NonNullable<Options['check']>): NonNullable<Options['check']> {
  return async (q, ctx) => {
    const found = await check(q, ctx);
    if (found?.outcome !== 'done') return found;
    const call = { ...ctx, callId: q.idempotencyKey, by: q.by, session: q.session };
    const request = callOf(q.idempotencyKey, fullName, argumentsAsJson(q.input));
    return { outcome: 'done', output: await leaving(interception, request, { output: found.output }, call, 'unknown') };
  };
}

type Given = { value: unknown; shown: Json; key?: string; amount?: Readonly<Record<string, number>> };

/**
 * What the interceptor of the request, the limits and the policy make of a call.
 * @returns the request of the target, and its arguments if they are others; or the output of the call without the target. @throws ToolError
 */
async function entering(
  door: Door,
  interception: Interception,
  behind: Behind,
  asked: { args: JsonObject; input: unknown },
  ctx: PassageContext,
): Promise<{ request: GatewayRequest; given: Given | undefined } | { output: Json }> {
  const call: InterceptedCall = { signal: ctx.signal, by: ctx.by, session: ctx.session };
  const before = callOf(ctx.callId, behind.fullName, asked.args);
  const taken = await interception.request(before, call).catch((error) => failed('request', error, 'not-run'));
  if ('response' in taken) {
    const shown = await interception.response(before, taken.response, call).catch((error) => failed('response', error, 'not-run'));
    return { output: ended(shown, 'not-run') };
  }
  const given = await argumentsOf(taken.request, before, behind, asked);
  admit(door, behind, ctx);
  if (given) await permitted(door.policy, behind, given, ctx);
  return { request: taken.request, given };
}

/** What the target gave, or the error that it threw. */
type Came<T> = { output: T } | { error: unknown };

const outcomeOf = (came: Came<unknown>, ran: Outcome): Outcome =>
  'output' in came ? ran : ToolError.is(came.error) ? came.error.outcome : 'unknown';

/**
 * What came of a call, as the interceptor of the response lets it out: the same thing where it changes nothing.
 * @param outcome of the call, if it is withheld. @throws ToolError, or the error that came
 */
async function leaving<T>(
  interception: Interception,
  request: GatewayRequest,
  came: Came<T>,
  { signal, by, session, callId }: Pick<PassageContext, 'signal' | 'by' | 'session' | 'callId'>,
  outcome: Outcome,
): Promise<T | Json> {
  const made = 'output' in came ? succeeded(callId, plainJson(came.output) ?? null) : refused(callId, messageOf(came.error));
  const shown = await interception.response(request, made, { signal, by, session }).catch((error) => failed('response', error, outcome));
  if (shown !== made && !isSameJson({ ...shown }, { ...made })) return ended(shown, outcome, 'error' in came ? came.error : undefined);
  if ('error' in came) throw came.error;
  return came.output;
}

/** The arguments as the interceptor gets them. @throws ToolError for what a schema of the tool has made of them, if JSON cannot hold it. */
function argumentsAsJson(input: unknown): JsonObject {
  try {
    const json = plainJson(input) ?? {};
    if (isObject(json)) return json;
  } catch (error) {
    failed('request', error, 'not-run');
  }
  return failed('request', new Error('the arguments are no object'), 'not-run');
}

function failed(point: string, error: unknown, outcome: Outcome): never {
  const ran = {
    'not-run': 'The target was not called',
    failed: 'What the target answered is withheld',
    unknown: 'The target was called, and what it answered is withheld',
  };
  throw new ToolError('INTERCEPTOR_FAILED', bounded(`The interceptor of the ${point} failed: ${messageOf(error)}. ${ran[outcome]}.`), {
    outcome,
  });
}

/** @throws ToolError `GATEWAY_RATE_LIMITED`. */
function admit({ limits }: Door, { target, name }: Behind, { by, session }: PassageContext): void {
  const exceeded: Exceeded | undefined = limits?.take((key) => {
    if (key.startsWith('claims.')) return by?.claims?.[key.slice(7)];
    return { targetName: target, toolName: name, user: by?.id, tenant: by?.tenant, session }[key];
  });
  if (!exceeded) return;
  const { limitKey, metric, retryAfter } = exceeded;
  throw new ToolError(
    'GATEWAY_RATE_LIMITED',
    `The gateway's limit of ${metric} for ${limitKey} is reached. Call again in ${retryAfter} s.`,
    {
      outcome: 'not-run',
      retryable: true,
      retryAfter: retryAfter * 1_000,
    },
  );
}

/** Arguments that the interceptor changed, as the tool's schema reads them; undefined if it left them. @throws ToolError */
async function argumentsOf(
  now: GatewayRequest,
  before: GatewayRequest,
  { tool, fullName }: Behind,
  { args, input }: { args: JsonObject; input: unknown },
): Promise<Given | undefined> {
  if (now.body === before.body) return undefined;
  const { params } = now.body;
  const { name, arguments: changed } = isObject(params) ? params : {};
  if (now.body.method !== 'tools/call' || name !== fullName)
    failed('request', new Error(`it made a call of ${fullName} something else, and may change its arguments only`), 'not-run');
  if (isSameJson(changed ?? {}, args)) return undefined;
  const checked = await validate(tool.options.input, changed ?? {});
  if (!checked.ok) return failed('request', new Error(`the arguments that it made do not fit: ${checked.problem}`), 'not-run');
  try {
    return { value: checked.value, shown: changed ?? {}, ...sameMeaning(tool, input, checked.value) };
  } catch (error) {
    return failed('request', error, 'not-run');
  }
}

/** What a tool declares of a call with these arguments. */
const meaningOf = ({ options: { key, amount } }: ToolDefinition, value: unknown) => ({
  ...(key && { key: key(value) }),
  ...(amount && { amount: amount(value) }),
});

/** What the tool declares of the call, also after a change of its arguments. @throws Error */
function sameMeaning(tool: ToolDefinition, before: unknown, after: unknown) {
  const [was, is] = [meaningOf(tool, before), meaningOf(tool, after)];
  for (const part of ['key', 'amount'] as const)
    if (!isSameJson(plainJson(was[part]) ?? null, plainJson(is[part]) ?? null))
      throw new Error(`it changed the ${part} of the call, which is claimed and counted already`);
  return is;
}

/** The policy has allowed other arguments. An approval cannot be asked for any more, so it denies. @throws ToolError `NOT_PERMITTED`. */
async function permitted(
  policy: Policy | undefined,
  { fullName, tool }: Behind,
  { shown: input, key, amount }: Given,
  ctx: PassageContext,
): Promise<void> {
  if (!policy) return;
  const { by, runId, session, context, path } = ctx;
  const asking = { path, by, runId, session, context, cancel: new CancelSource() };
  const { denied, asks } = await permission(policy, asking, {
    tool: fullName,
    effect: tool.effect,
    input,
    amount,
    ...(key !== undefined && { key, intent: tool.options.intent ?? fullName }),
  });
  const why = denied ?? (asks.length > 0 ? 'A person would have to approve what an interceptor made of the arguments.' : undefined);
  if (why !== undefined) throw new ToolError('NOT_PERMITTED', why, { outcome: 'not-run' });
}

const callOf = (id: string, name: string, args: JsonObject): GatewayRequest => requestOf(id, 'tools/call', { name, arguments: args });

function succeeded(id: string, output: Json): GatewayResponse {
  const text = typeof output === 'string' ? output : JSON.stringify(output);
  const result = { content: [{ type: 'text', text }], ...(isObject(output) && { structuredContent: output }), isError: false };
  return { statusCode: 200, headers: {}, body: { jsonrpc: '2.0', id, result } };
}

const refused = (id: string, text: string): GatewayResponse => ({
  statusCode: 200,
  headers: {},
  body: { jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }], isError: true } },
});

/** What a response says, as the output of the tool. @param before the target's own error. @throws ToolError for a response of an error. */
function ended({ statusCode, body = {} }: GatewayResponse, outcome: Outcome, before?: unknown): Json {
  const { error, result = {} } = body;
  const content = isObject(result) ? (result.content ?? []) : undefined;
  if (!isObject(result) || !Array.isArray(content) || !content.every(isObject) || !(error === undefined || isObject(error)))
    throw new ToolError('INTERCEPTOR_FAILED', 'An interceptor made the response something that MCP does not have.', { outcome });
  const texts = content.flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
  if (error || statusCode >= 400 || result.isError === true) {
    const said = typeof error?.message === 'string' ? error.message : texts.join('\n');
    const message = bounded(said || `The gateway answered with status ${statusCode}.`);
    if (ToolError.is(before)) throw new ToolError(before.code, message, { outcome, retryable: before.retryable, cause: before });
    throw new ToolError('INTERCEPTOR_REFUSED', message, { outcome, ...(before !== undefined && { cause: before }) });
  }
  if (body.result === undefined)
    throw new ToolError('INTERCEPTOR_FAILED', 'An interceptor made the response one without a result.', { outcome });
  return result.structuredContent ?? texts.join('\n');
}
