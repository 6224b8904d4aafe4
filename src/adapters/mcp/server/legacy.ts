/** A server of revision 2025-11-25 and those before. */
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { ElicitRequestURLParams, ServerNotification } from '@modelcontextprotocol/sdk/types.js';
import type { Approval } from '../../../hitl/approvals.ts';
import type { Decision } from '../../../ports/tool.ts';
import { type loadServer, UNCHECKED } from '../sdk.ts';
import type { Change } from './changes.ts';
import { decisionOf, elicitationOf, showsOf } from './elicit.ts';
import { isLogged, type LogLevel } from './logs.ts';
import { type Caller, type Exchange, INTERNAL, INVALID_PARAMS, type Offering, RpcError, type Served } from './offering.ts';
import { REQUEST_TYPES, type RequestSchema, withoutTask, wrongParams } from './params.ts';
import { capabilitiesOf, listsOf, readsOf, requestOf } from './requests.ts';
import { MOST_WATCHED, mayWatch } from './watching.ts';

type Sdk = Awaited<ReturnType<typeof loadServer>>;

/** What a server needs that lasts longer than one request. */
export interface Lasting {
  /** Milliseconds that a person has to answer an elicitation. */
  readonly elicitTimeout: number;
  /** Whether the server was closed, which is not a wish of the client to cancel. */
  readonly isClosed: () => boolean;
}

interface Extra {
  readonly requestId: string | number;
  readonly signal: AbortSignal;
  readonly authInfo?: unknown;
  sendNotification(notification: ServerNotification): Promise<void>;
}

export interface LegacyServer {
  readonly server: Server;
  /** Serves a transport. Params that do not fit are answered here, before the SDK sees them. */
  connect(transport: Transport): Promise<void>;
  /** Tells the client what has changed. */
  tell(change: Change): void;
}

/**
 * What the SDK reports to `onerror` is heard by no one: messages that are no JSON-RPC, answers to nothing, clients that left. Any caller could fill
 * the operator's log with that, and it was answered. The failures of the server itself are told where they arise, by the offering.
 * @param callerOf the caller of one request. @param lasting undefined: each request has a server of its own.
 */
export function legacyServer(sdk: Sdk, served: Served, callerOf: (extra: Extra) => Caller, lasting?: Lasting): LegacyServer {
  const { offering, info, instructions } = served;
  const server = new sdk.Server(info, {
    capabilities: capabilitiesOf(offering, lasting !== undefined),
    ...(instructions !== undefined && { instructions }),
    // it checks the answers of elicitations
    ...(!lasting && { jsonSchemaValidator: UNCHECKED }),
  });
  let level: LogLevel = 'info';
  const exchangeOf = (extra: Extra, meta: { progressToken?: string | number | undefined } | undefined): Exchange => {
    const { progressToken } = meta ?? {};
    return {
      ...(progressToken !== undefined && {
        progress: (told) => extra.sendNotification({ method: 'notifications/progress', params: { progressToken, ...told } }),
      }),
      ...(lasting && {
        log: async (line) => {
          if (isLogged(line.level, level)) await extra.sendNotification({ method: 'notifications/message', params: { ...line } });
        },
        cancelled: cancelledOf(extra.signal, lasting),
        ask: (runId, approvals) => asked(server, offering, callerOf(extra), extra, lasting, runId, approvals),
      }),
    };
  };
  const schemas = new Map<string, RequestSchema>([['initialize', sdk.InitializeRequestSchema]]);
  const answer: Server['setRequestHandler'] = (schema, handler) => {
    schemas.set((schema as typeof sdk.CallToolRequestSchema).shape.method.value, schema as RequestSchema);
    server.setRequestHandler(schema, handler);
  };
  for (const method of listsOf(offering))
    answer(
      sdk[`${REQUEST_TYPES[method]}Schema`],
      async ({ params }, extra) => (await offering.list(callerOf(extra), method, params?.cursor)) as never,
    );
  for (const method of readsOf(offering))
    answer(sdk[`${REQUEST_TYPES[method]}Schema`], ({ params }, extra) =>
      offering.read(callerOf(extra), requestOf(method, params), exchangeOf(extra, params._meta)),
    );
  answer(sdk.CallToolRequestSchema, ({ params }, extra) => offering.call(callerOf(extra), params, exchangeOf(extra, params._meta)));
  const watched = new Set<string>();
  if (lasting) {
    answer(sdk.SetLevelRequestSchema, ({ params }) => {
      level = params.level;
      return {};
    });
    if (offering.updates) {
      answer(sdk.SubscribeRequestSchema, async ({ params: { uri } }, extra) => {
        await mayWatch(offering, callerOf(extra), uri);
        if (watched.size >= MOST_WATCHED) throw new RpcError(INTERNAL, `A session watches at most ${MOST_WATCHED} resources.`);
        watched.add(uri);
        return {};
      });
      answer(sdk.UnsubscribeRequestSchema, ({ params: { uri } }) => {
        watched.delete(uri);
        return {};
      });
    }
  }
  return {
    server,
    async connect(transport) {
      await server.connect(transport);
      const { onmessage } = transport;
      transport.onmessage = (given, extra) => {
        const message = withoutTask(given);
        const wrong = wrongParams(message, schemas);
        if (wrong === undefined) return onmessage?.(message, extra);
        const { id } = message as { id: string | number };
        transport.send({ jsonrpc: '2.0', id, error: { code: INVALID_PARAMS, message: wrong } }).catch(() => undefined);
      };
    },
    tell(change) {
      const told =
        change === 'tools'
          ? server.sendToolListChanged()
          : change === 'resources'
            ? server.sendResourceListChanged()
            : change === 'prompts'
              ? server.sendPromptListChanged()
              : watched.has(change.updated) && server.sendResourceUpdated({ uri: change.updated });
      if (told) told.catch(() => undefined);
    },
  };
}

/** The signal of a request is aborted too when its session ends: then the run goes on. */
function cancelledOf(signal: AbortSignal, { isClosed }: Lasting): AbortSignal {
  const cancelled = new AbortController();
  signal.addEventListener('abort', () => !isClosed() && cancelled.abort(signal.reason), { once: true });
  return cancelled.signal;
}

/** Asks for one approval after the other, until the client's person decides nothing. */
async function asked(
  server: Server,
  offering: Offering,
  caller: Caller,
  { requestId, signal }: Extra,
  { elicitTimeout: timeout }: Lasting,
  runId: string,
  approvals: readonly Approval[],
): Promise<readonly Decision[]> {
  const shows = showsOf(server.getClientCapabilities());
  const decisions: Decision[] = [];
  for (const approval of approvals) {
    const params = elicitationOf(approval, shows);
    if (!params) continue;
    try {
      const what = params.mode === 'url' ? ({ ...params, elicitationId: approval.id } satisfies ElicitRequestURLParams) : params;
      const answer = await server.elicitInput(what, { relatedRequestId: requestId, timeout, signal });
      if (params.mode === 'url') {
        if (answer.action === 'accept' && (await offering.isDecided(caller, runId, approval.id, timeout, signal)))
          decisions.push({ approval: approval.id, type: 'approve' });
        continue;
      }
      const decision = decisionOf(approval, answer);
      if (decision) decisions.push(decision);
    } catch {
      // no answer in time, or one that does not fit: the call answers that the run waits
      break;
    }
  }
  return decisions;
}
