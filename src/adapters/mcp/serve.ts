/** An offering as an MCP server, over streamable HTTP. */
import type { Limits } from '../../journal/entries.ts';
import type { Assertion } from '../../ports/identity.ts';
import type { Principal } from '../../ports/principal.ts';
import { type AuthOption, bearerToken } from '../../server/auth.ts';
import { type BodyLimits, readJson } from '../../server/body.ts';
import { HttpError } from '../../server/errors.ts';
import { authenticated, isAt, pathOf } from '../../server/handle.ts';
import type { Handler } from '../../server/listen.ts';
import type { Caller, Offering } from './offering.ts';
import { loadServer } from './sdk.ts';

export interface McpServeOptions extends BodyLimits {
  /**
   * Authenticates callers, such as `bearer({ verify: jwt({ ... }) })`. Without it every caller is the principal `anonymous`, and only
   * this machine may call. `'none'`: any machine may.
   */
  auth?: AuthOption;
  /** Default `/mcp`. */
  path?: string;
  /** The name and the version that the server tells. */
  info?: { name: string; version: string };
  /**
   * Who is offered the tool `decide`, which answers approvals. What can call it may be a model: leave it out where a person must decide elsewhere.
   * Default: callers that `auth` has authenticated.
   */
  decide?: boolean | ((by: Principal) => boolean);
  /** The limits of every run. */
  limits?: Limits;
  /** Whether a run is cancelled when the client that called disconnects. Default false. */
  cancelOnDisconnect?: boolean;
}

/** @throws RondoError `CONFIG_INVALID`. */
export function serveMcp(
  offering: Offering,
  o: McpServeOptions & { info: { name: string; version: string } },
  { where, tell }: { where: string; tell: (error: unknown) => void },
): Handler {
  const path = pathOf(o.path ?? '/mcp', where, '/mcp');
  const { decide = typeof o.auth === 'function' } = o;
  return authenticated(o.auth, tell, (request) => {
    if (!isAt(new URL(request.url).pathname, path)) throw new HttpError(404, 'There is nothing here.');
    // there are no messages of the server's own, and no sessions to end
    if (request.method !== 'POST') throw new HttpError(405, 'The method here is POST.', { allow: 'POST' });
    return async (by) => {
      const parsedBody = await readJson(request, o);
      const mayDecide = typeof decide === 'function' ? decide(by) : decide;
      const caller: Caller = { by, assertion: assertionOf(request, o.auth), mayDecide, gone: request.signal };
      return once(offering, caller, request, parsedBody, o.info, tell);
    };
  });
}

/** The token that authenticated the caller, for tools that exchange it or pass it on. */
function assertionOf(request: Request, auth: AuthOption): Assertion | undefined {
  const token = typeof auth === 'function' ? bearerToken(request.headers.get('authorization')) : undefined;
  return token === undefined ? undefined : { type: 'jwt', token };
}

/** Calls with the same key of one caller are one run. */
export function requestIdOf(meta: { readonly [k: string]: unknown } | undefined): string | undefined {
  const key = meta?.['rondo/idempotency-key'];
  return typeof key === 'string' ? key : undefined;
}

/** Answers one request, by a server of its own: without sessions there is nothing to keep, and ids of two clients must not meet. */
async function once(
  offering: Offering,
  caller: Caller,
  request: Request,
  parsedBody: unknown,
  info: { name: string; version: string },
  tell: (error: unknown) => void,
): Promise<Response> {
  const { Server, WebStandardStreamableHTTPServerTransport, ListToolsRequestSchema, CallToolRequestSchema } = await loadServer();
  const server = new Server(info, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, async ({ params }) => ({ ...(await offering.list(caller, params?.cursor)) }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }, { sendNotification }) => {
    const progressToken = params._meta?.progressToken;
    return offering.call(caller, params, {
      ...(progressToken !== undefined && {
        progress: (told) => sendNotification({ method: 'notifications/progress', params: { progressToken, ...told } }),
      }),
    });
  });
  server.onerror = (error) => {
    if (!request.signal.aborted) tell(error);
  };
  const transport = new WebStandardStreamableHTTPServerTransport();
  await server.connect(transport);
  return transport.handleRequest(request, { parsedBody });
}
