/** A server of revision 2025-11-25 and those before. */
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { ElicitRequestURLParams, ServerNotification } from '@modelcontextprotocol/sdk/types.js';
import type { Approval } from '../../../hitl/approvals.ts';
import type { Decision } from '../../../ports/tool.ts';
import type { loadServer } from '../sdk.ts';
import { decisionOf, elicitationOf, showsOf } from './elicit.ts';
import type { Caller, Exchange, Offering, Served } from './offering.ts';

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

/** @param callerOf the caller of one request. @param lasting absent members: each request has a server of its own. */
export function legacyServer(
  { Server, ListToolsRequestSchema, CallToolRequestSchema }: Sdk,
  { offering, info, instructions }: Served,
  callerOf: (extra: Extra) => Caller,
  lasting: Lasting,
): { server: Server } {
  const lasts = lasting.elicitTimeout !== undefined;
  const server = new Server(info, {
    capabilities: { tools: { ...(lasts && { listChanged: true }) } },
    ...(instructions !== undefined && { instructions }),
  });
  server.setRequestHandler(ListToolsRequestSchema, async ({ params }, extra) => ({
    ...(await offering.list(callerOf(extra), params?.cursor)),
  }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => {
    const progressToken = params._meta?.progressToken;
    const caller = callerOf(extra);
    const exchange: Exchange = {
      ...(progressToken !== undefined && {
        progress: (told) => extra.sendNotification({ method: 'notifications/progress', params: { progressToken, ...told } }),
      }),
      ...(lasts && {
        cancelled: cancelledOf(extra.signal, lasting),
        ask: (runId, approvals) => asked(server, offering, caller, extra, lasting, runId, approvals),
      }),
    };
    return offering.call(caller, params, exchange);
  });
  return { server };
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
