/** A server of revision 2025-11-25 and those before. */
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { ElicitRequestURLParams, ServerNotification } from '@modelcontextprotocol/sdk/types.js';
import type { Approval } from '../../../hitl/approvals.ts';
import type { MaterialRequest } from '../../../ports/materials.ts';
import type { Decision } from '../../../ports/tool.ts';
import { type loadServer, UNCHECKED } from '../sdk.ts';
import type { Change } from './changes.ts';
import { decisionOf, elicitationOf, showsOf } from './elicit.ts';
import { isLogged, type LogLevel } from './logs.ts';
import { type Caller, type Exchange, INTERNAL, type ListMethod, type Offering, RpcError, type Served } from './offering.ts';
import { completionOf, MOST_WATCHED, mayWatch } from './watching.ts';

type Sdk = Awaited<ReturnType<typeof loadServer>>;

/** What a server can do that lasts longer than one request. */
export interface Lasting {
  /** Milliseconds that a person has to answer an elicitation. */
  readonly elicitTimeout?: number;
  /** Whether the server was closed, which is not a wish of the client to cancel. */
  readonly isClosed?: () => boolean;
}

interface Extra {
  readonly requestId: string | number;
  readonly signal: AbortSignal;
  readonly authInfo?: unknown;
  sendNotification(notification: ServerNotification): Promise<void>;
}

export interface LegacyServer {
  readonly server: Server;
  /** Tells the client what has changed. */
  tell(change: Change): void;
}

/** @param callerOf the caller of one request. @param lasting absent members: each request has a server of its own. */
export function legacyServer(sdk: Sdk, served: Served, callerOf: (extra: Extra) => Caller, lasting: Lasting): LegacyServer {
  const { offering, info, instructions } = served;
  const { passes, updates } = offering;
  const lasts = lasting.elicitTimeout !== undefined;
  const changes = lasts && { listChanged: true };
  const server = new sdk.Server(info, {
    capabilities: {
      tools: { ...changes },
      ...(passes.includes('resources') && { resources: { ...changes, ...(lasts && updates && { subscribe: true }) } }),
      ...(passes.includes('prompts') && { prompts: { ...changes } }),
      ...(passes.includes('completions') && { completions: {} }),
      ...(lasts && { logging: {} }),
    },
    ...(instructions !== undefined && { instructions }),
    // it checks the answers of elicitations
    ...(!lasts && { jsonSchemaValidator: UNCHECKED }),
  });
  let level: LogLevel = 'info';
  const exchangeOf = (extra: Extra, meta: { progressToken?: string | number | undefined } | undefined): Exchange => {
    const { progressToken } = meta ?? {};
    return {
      ...(progressToken !== undefined && {
        progress: (told) => extra.sendNotification({ method: 'notifications/progress', params: { progressToken, ...told } }),
      }),
      ...(lasts && {
        log: async (line) => {
          if (isLogged(line.level, level)) await extra.sendNotification({ method: 'notifications/message', params: { ...line } });
        },
        cancelled: cancelledOf(extra.signal, lasting),
        ask: (runId, approvals) => asked(server, offering, callerOf(extra), extra, lasting, runId, approvals),
      }),
    };
  };
  const list = (method: ListMethod) => async (request: { params?: { cursor?: string | undefined } | undefined }, extra: Extra) =>
    (await offering.list(callerOf(extra), method, request.params?.cursor)) as never;
  const read = (request: MaterialRequest, extra: Extra, meta?: { progressToken?: string | number | undefined }) =>
    offering.read(callerOf(extra), request, exchangeOf(extra, meta)) as Promise<never>;

  server.setRequestHandler(sdk.ListToolsRequestSchema, list('tools/list'));
  server.setRequestHandler(sdk.CallToolRequestSchema, ({ params }, extra) =>
    offering.call(callerOf(extra), params, exchangeOf(extra, params._meta)),
  );
  if (lasts)
    server.setRequestHandler(sdk.SetLevelRequestSchema, ({ params }) => {
      level = params.level;
      return {};
    });
  const watched = new Set<string>();
  if (passes.includes('resources')) {
    server.setRequestHandler(sdk.ListResourcesRequestSchema, list('resources/list'));
    server.setRequestHandler(sdk.ListResourceTemplatesRequestSchema, list('resources/templates/list'));
    server.setRequestHandler(sdk.ReadResourceRequestSchema, ({ params: { uri, _meta } }, extra) =>
      read({ method: 'resources/read', params: { uri } }, extra, _meta),
    );
    if (lasts && updates) {
      server.setRequestHandler(sdk.SubscribeRequestSchema, async ({ params: { uri } }, extra) => {
        await mayWatch(offering, callerOf(extra), uri);
        if (watched.size >= MOST_WATCHED) throw new RpcError(INTERNAL, `A session watches at most ${MOST_WATCHED} resources.`);
        watched.add(uri);
        return {};
      });
      server.setRequestHandler(sdk.UnsubscribeRequestSchema, ({ params: { uri } }) => {
        watched.delete(uri);
        return {};
      });
    }
  }
  if (passes.includes('prompts')) {
    server.setRequestHandler(sdk.ListPromptsRequestSchema, list('prompts/list'));
    server.setRequestHandler(sdk.GetPromptRequestSchema, ({ params: { name, arguments: given, _meta } }, extra) =>
      read({ method: 'prompts/get', params: { name, ...(given && { arguments: given }) } }, extra, _meta),
    );
  }
  if (passes.includes('completions'))
    server.setRequestHandler(sdk.CompleteRequestSchema, ({ params }, extra) =>
      read({ method: 'completion/complete', params: completionOf(params) }, extra),
    );
  return {
    server,
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
  signal.addEventListener('abort', () => !isClosed?.() && cancelled.abort(signal.reason), { once: true });
  return cancelled.signal;
}

/** Asks for one approval after the other, until the client's person decides nothing. */
async function asked(
  server: Server,
  offering: Offering,
  caller: Caller,
  { requestId, signal }: Extra,
  { elicitTimeout: timeout = 0 }: Lasting,
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
