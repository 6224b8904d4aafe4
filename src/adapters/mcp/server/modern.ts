/** A server of revision 2026-07-28, by the second version of the SDK: every request stands for itself, and what a run asks is answered with the same call again. */
import type { McpHttpHandler, ServerContext } from '@modelcontextprotocol/server';
import { RondoError } from '../../../errors.ts';
import type { Approval } from '../../../hitl/approvals.ts';
import { canonical, sha256 } from '../../../journal/canonical.ts';
import type { Json } from '../../../json.ts';
import type { Decision } from '../../../ports/tool.ts';
import { loadModernServer } from '../sdk.ts';
import { authInfoOf, callerIn } from './callers.ts';
import { Interrupted } from './carry-out.ts';
import type { Change } from './changes.ts';
import { isClosing } from './closing.ts';
import { approving } from './consents.ts';
import { decisionOf, type ElicitAnswer, elicitationOf, showsOf } from './elicit.ts';
import { type Caller, type CallParams, type Exchange, INTERNAL, INVALID_PARAMS, type Offering, RpcError, type Served } from './offering.ts';
import { REQUEST_TYPES, type RequestSchema, withoutTask, wrongParams } from './params.ts';
import { capabilitiesOf, listsOf, readsOf, requestOf } from './requests.ts';
import { rpcAnswer } from './rpc-answer.ts';
import { MOST_WATCHED, mayWatch } from './watching.ts';

type Sdk = Awaited<ReturnType<typeof loadModernServer>>;

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';
/** Milliseconds that a consent is waited for after the client's person has followed its link. Then it is asked for again. */
const CONSENT = 30_000;

export interface Modern {
  answer(caller: Caller, request: Request, body: unknown): Promise<Response>;
}

/** Whether a request may be of 2026-07-28 or later, so that the SDK for it is worth loading. */
export function mayBeModern(request: Request, body: unknown): boolean {
  const version = request.headers.get('mcp-protocol-version');
  if (version !== null && version > '2026') return true;
  const { method, params } = (body ?? {}) as { method?: unknown; params?: { _meta?: { [k: string]: unknown } } };
  return method === 'server/discover' || params?._meta?.[VERSION_KEY] !== undefined;
}

/** @returns undefined if the SDK for it is not installed. */
export async function modernServer(
  served: Served,
): Promise<(Modern & { isOurs(request: Request, body: unknown): Promise<boolean> }) | undefined> {
  let sdk: Sdk;
  try {
    sdk = await loadModernServer();
  } catch (error) {
    if (RondoError.is(error, 'CONFIG_INVALID')) return undefined;
    throw error;
  }
  const handler = handlerOf(sdk, served);
  const { offering } = served;
  const schemas = new Map<string, RequestSchema>();
  for (const method of [...listsOf(offering), ...readsOf(offering), 'tools/call'] as const)
    schemas.set(method, sdk.specTypeSchemas[REQUEST_TYPES[method]]);
  offering.changes.on((change) => tell(handler, change));
  return {
    isOurs: async (request, body) => !(await sdk.isLegacyRequest(request, body)),
    async answer(caller, request, parsedBody) {
      const wrong = wrongParams(withoutTask(parsedBody), schemas);
      if (wrong !== undefined) return rpcAnswer(200, parsedBody, INVALID_PARAMS, wrong);
      const refused = await refusedWatch(offering, caller, parsedBody);
      if (refused) return refused;
      const { method } = (parsedBody ?? {}) as { method?: unknown };
      // what listens ends with the server; a call is answered first
      const own = method === 'subscriptions/listen' ? request : untilLeft(request);
      return handler.fetch(own, { parsedBody, authInfo: authInfoOf(caller) });
    },
  };
}

/** The request with a signal that is aborted when the client leaves, and not when the server closes: by leaving a client cancels its call. The body was read. */
function untilLeft({ url, method, headers, signal }: Request): Request {
  const left = new AbortController();
  const leave = () => !isClosing(signal) && left.abort(signal.reason);
  if (signal.aborted) leave();
  else signal.addEventListener('abort', leave, { once: true });
  return new Request(url, { method, headers, signal: left.signal });
}

const callerOf = (ctx: ServerContext): Caller => callerIn(ctx.http?.authInfo);

function handlerOf({ createMcpHandler, Server }: Sdk, { offering, info, instructions }: Served): McpHttpHandler {
  return createMcpHandler(
    () => {
      const server = new Server(info, {
        capabilities: capabilitiesOf(offering, true),
        ...(instructions !== undefined && { instructions }),
        requestState: { verify: (state) => stateOf(state) },
      });
      for (const method of listsOf(offering))
        server.setRequestHandler(
          method as 'tools/list',
          async ({ params }, ctx) => (await offering.list(callerOf(ctx), method, params?.cursor)) as object as never,
        );
      for (const method of readsOf(offering))
        server.setRequestHandler(method as 'prompts/get', async ({ params }, ctx) => {
          const request = requestOf(method, params);
          return answered(offering, ctx, params._meta, [method, request.params], (caller, exchange) =>
            offering.read(caller, request, exchange),
          );
        });
      server.setRequestHandler('tools/call', ({ params }, ctx) => {
        const { name, arguments: args = {} } = params as CallParams;
        return answered(offering, ctx, params._meta, [name, args as Json], (caller, exchange) =>
          offering.call(caller, params as CallParams, exchange),
        );
      });
      return server;
    },
    { legacy: 'reject' },
  );
}

function tell({ notify }: McpHttpHandler, change: Change): void {
  if (change === 'tools') notify.toolsChanged();
  else if (change === 'resources') notify.resourcesChanged();
  else if (change === 'prompts') notify.promptsChanged();
  else notify.resourceUpdated(change.updated);
}

/** The answer to a client that wants to watch a resource which it may not read. */
async function refusedWatch(offering: Offering, caller: Caller, body: unknown): Promise<Response | undefined> {
  const { method, params } = (body ?? {}) as { method?: unknown; params?: { notifications?: { resourceSubscriptions?: unknown } } };
  const watched = params?.notifications?.resourceSubscriptions;
  if (method !== 'subscriptions/listen' || !offering.updates || !Array.isArray(watched)) return undefined;
  // the SDK refuses a list of anything else
  if (!watched.every((uri) => typeof uri === 'string')) return undefined;
  if (watched.length > MOST_WATCHED) return rpcAnswer(400, body, INVALID_PARAMS, `A stream watches at most ${MOST_WATCHED} resources.`);
  try {
    for (const uri of watched) await mayWatch(offering, caller, uri);
    return undefined;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    // the code of a missing resource is another one before this revision
    return rpcAnswer(400, body, error.code === INTERNAL ? INTERNAL : INVALID_PARAMS, error.message);
  }
}

/** @param of what is asked for: the same again, if the request is sent again with answers. */
async function answered(
  offering: Offering,
  ctx: ServerContext,
  meta: { progressToken?: string | number | undefined } | undefined,
  of: Json,
  make: (caller: Caller, exchange: Exchange) => Promise<object>,
): Promise<never> {
  const caller = callerOf(ctx);
  const call = sha256(canonical(of)).slice(0, 32);
  const again = await againOf(offering, caller, call, ctx);
  try {
    return (await make(caller, exchangeOf(ctx, meta, call, again))) as never;
  } catch (error) {
    if (error instanceof InputRequired) return error.result as never;
    throw error;
  }
}

function exchangeOf(
  ctx: ServerContext,
  meta: { progressToken?: string | number | undefined } | undefined,
  call: string,
  again: Exchange['again'],
): Exchange {
  const progressToken = meta?.progressToken;
  const declared = ctx.mcpReq.envelope as { readonly [k: string]: unknown } | undefined;
  const shows = showsOf(declared?.[CAPABILITIES_KEY] as Parameters<typeof showsOf>[0]);
  return {
    cancelled: ctx.mcpReq.signal,
    // told if the request names a level
    log: ({ level, data, logger }) => ctx.mcpReq.log(level, data, logger),
    ...(progressToken !== undefined && {
      progress: (told) => ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, ...told } }),
    }),
    ...(again && { again }),
    async ask(runId, approvals) {
      const asked = approvals.flatMap((approval) => {
        const params = elicitationOf(approval, shows);
        return params ? [[approval.id, { method: 'elicitation/create', params }]] : [];
      });
      if (asked.length === 0) return [];
      const requests = Object.fromEntries(asked) as { [id: string]: unknown };
      throw new InputRequired({
        resultType: 'input_required',
        inputRequests: requests,
        requestState: textOf({ run: runId, call, asked: Object.keys(requests).join(' ') }),
      });
    },
  };
}

/** The call is answered with what its run asks. */
class InputRequired extends Interrupted {
  readonly result: object;
  constructor(result: object) {
    super('the call needs input');
    this.result = result;
  }
}

/** What the client hands back with the answers. It names a run, which must be the caller's own: there is nothing in it to forge. */
interface State {
  run: string;
  /** Of what is asked for, with its arguments. */
  call: string;
  /** The ids of the approvals. */
  asked: string;
}

const textOf = (state: State): string => Buffer.from(JSON.stringify(state)).toString('base64url');

/** @throws Error for anything but what `textOf` made. */
function stateOf(text: string): State {
  const state = JSON.parse(Buffer.from(text, 'base64url').toString()) as Partial<State>;
  if (typeof state.run !== 'string' || typeof state.call !== 'string' || typeof state.asked !== 'string' || textOf(state as State) !== text)
    throw new Error('it was changed');
  return state as State;
}

/** The run of a call that is sent again, and what its answers decide. @throws RpcError for a run that is not this caller's, or not of this call. */
async function againOf(offering: Offering, caller: Caller, call: string, ctx: ServerContext): Promise<Exchange['again']> {
  const state = ctx.mcpReq.requestState<State | undefined>();
  if (state === undefined) return undefined;
  const approvals = state.call === call ? await offering.approvalsOf(caller, state.run) : undefined;
  if (!approvals) throw new RpcError(INVALID_PARAMS, 'Invalid or expired requestState', { reason: 'invalid_request_state' });
  const answers = ctx.mcpReq.inputResponses ?? {};
  const decisions: Decision[] = [];
  for (const approval of approvals) {
    const answer = answers[approval.id] as ElicitAnswer | undefined;
    if (!answer || !caller.mayBeAsked) continue;
    if (isFollowed(approval, answer)) {
      if (offering.approvesConsents) decisions.push(approving(approval));
      else await offering.isDecided(caller, state.run, approval.id, CONSENT, ctx.mcpReq.signal);
    }
    const decision = decisionOf(approval, answer);
    if (decision) decisions.push(decision);
  }
  // a person who cancels decides nothing, and is not asked again at once
  const open = approvals.some(({ id }) => (answers[id] as ElicitAnswer | undefined)?.action === 'cancel');
  return { runId: state.run, decisions, ...(open && { open }) };
}

const isFollowed = ({ kind }: Approval, { action }: ElicitAnswer): boolean => kind === 'consent' && action === 'accept';
