/**
 * The door of a gateway, inside a call that the engine's gate has let through: the interceptor of the request, the rate limits, the policy once more
 * about arguments that an interceptor changed, the target, the interceptor of the response.
 */
import { type Outcome, ToolError } from '../../errors.ts';
import { permission } from '../../hitl/policy.ts';
import { isSameJson, type Json, type JsonObject, plainJson } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { driven, isGenerator } from '../../loop/generator.ts';
import type { ToolDefinition } from '../../loop/types.ts';
import type { Policy } from '../../ports/policy.ts';
import type { ToolContext } from '../../ports/tool.ts';
import { CancelSource } from '../../reliability/cancel.ts';
import { bounded, messageOf } from '../../reliability/classify.ts';
import { validate } from '../../schema.ts';
import type { GatewayRequest, GatewayResponse, InterceptedCall, Interception } from './interception.ts';
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

type Execute = ToolDefinition['options']['execute'];

/** The tool's `execute`, with the door before it; the tool's own where the door has nothing to do. */
export function behindDoor(door: Door, behind: Behind): Execute {
  const { interception } = door;
  const { options } = behind.tool;
  if (!interception && !door.limits) return options.execute;
  if (!interception)
    return (input, ctx) => {
      admit(door, behind, ctx);
      return options.execute(input, ctx);
    };
  return async (input, ctx) => {
    const call: InterceptedCall = { signal: ctx.signal, by: ctx.by, session: ctx.session };
    const args = argumentsAsJson(input);
    const asked = requestOf(ctx.callId, behind.fullName, args);
    const taken = await interception.request(asked, call).catch((error) => failed('request', error, 'not-run'));
    if ('response' in taken) return ended(await after(taken.response, asked, 'not-run'), 'not-run');
    const given = await argumentsOf(taken.request, asked, behind, { args, input });
    admit(door, behind, ctx);
    if (given) await permitted(door.policy, behind, given, ctx);
    const value = given ? given.value : input;
    if (!interception.hasResponse) return options.execute(value, ctx);
    let output: unknown;
    let response: GatewayResponse;
    let thrown: { error: unknown } | undefined;
    try {
      const first: unknown = await options.execute(value, ctx);
      output = isGenerator(first) ? await driven(first, ctx.signal, ctx.progress as (data: unknown) => void) : first;
      response = succeeded(ctx.callId, plainJson(output) ?? null);
    } catch (error) {
      // it asks a person, and runs again with the answer
      if (ToolError.is(error) && error.code === 'PERSON_NEEDED') throw error;
      thrown = { error };
      response = refused(ctx.callId, messageOf(error));
    }
    const came = thrown ? outcomeOf(thrown.error) : behind.tool.effect === 'read' ? 'failed' : 'unknown';
    const shown = await after(response, taken.request, came);
    if (shown === response || isSameJson({ ...shown }, { ...response })) {
      if (thrown) throw thrown.error;
      return output;
    }
    return ended(shown, came, thrown?.error);

    function after(made: GatewayResponse, request: GatewayRequest, outcome: Outcome): Promise<GatewayResponse> {
      return (interception as Interception).response(request, made, call).catch((error) => failed('response', error, outcome));
    }
  };
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

const outcomeOf = (error: unknown): Outcome => (ToolError.is(error) ? error.outcome : 'unknown');

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
function admit({ limits }: Door, { target, name }: Behind, { by, session }: ToolContext): void {
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
) {
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
  { shown: input, key, amount }: { shown: Json; key?: string; amount?: Readonly<Record<string, number>> },
  ctx: ToolContext,
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

const PLACE = { path: '/mcp', httpMethod: 'POST', headers: {} };

const requestOf = (id: string, name: string, args: JsonObject): GatewayRequest => ({
  ...PLACE,
  body: { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } },
});

function succeeded(id: string, output: Json): GatewayResponse {
  const structured = typeof output === 'object' && output !== null && !Array.isArray(output);
  const text = typeof output === 'string' ? output : JSON.stringify(output);
  const result = { content: [{ type: 'text', text }], ...(structured && { structuredContent: output }), isError: false };
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
