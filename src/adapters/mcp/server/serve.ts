/** An offering as an MCP server, over streamable HTTP: which requests there are, who sends them, and which revision of the protocol they are of. */
import { lazy } from '../../../flight.ts';
import type { Limits } from '../../../journal/entries/entries.ts';
import type { Principal } from '../../../ports/principal.ts';
import { type AuthOption, checkAuth } from '../../../server/auth.ts';
import { BODY, type BodyLimits, readJson } from '../../../server/body.ts';
import { HttpError } from '../../../server/errors.ts';
import { authenticated, isAt, pathOf } from '../../../server/handle.ts';
import type { Handler } from '../../../server/listen.ts';
import { checkOrigin } from '../../../server/origin.ts';
import { mayBeModern, modernServer } from './modern.ts';
import { type Caller, INVALID_PARAMS, type Offering, type Served } from './offering.ts';
import { answerOnce } from './once.ts';
import type { OwnOptions } from './own.ts';
import { oddParams } from './params.ts';
import { rpcAnswer } from './rpc-answer.ts';
import { type McpSessionOptions, McpSessions, sessionOptions } from './sessions.ts';
import { forSlowReader } from './slow-reader.ts';

/** A request handler that tells its clients what has changed of the options `resources` and `prompts`: those with a session, or that listen. */
export interface McpHandler extends Handler {
  /** The list may be another now. */
  changed(list: 'resources' | 'prompts'): void;
  /** What a resource holds is another now. */
  updated(uri: string): void;
}

export interface McpServeOptions extends BodyLimits, OwnOptions {
  /**
   * Authenticates callers, such as `bearer({ verify: jwt({ ... }) })`. Without it every caller is the principal `anonymous`, and only
   * this machine may call. `'none'`: any machine may.
   */
  auth?: AuthOption;
  /** Default `/mcp`. */
  path?: string;
  /** The name and the version that the server tells. */
  info?: { name: string; version: string };
  /** What the server tells a client's model of its use. */
  instructions?: string;
  /**
   * Sessions of revision 2025-11-25, kept in the memory of this process: approvals are put before the client's person as elicitations, a list of tools
   * that changed is told, and a stream that broke can be read on. Default false: each request stands for itself, any process can answer it.
   */
  sessions?: boolean | McpSessionOptions;
  /**
   * Who is offered the tool `decide`, which answers approvals. What can call it may be a model: leave it out where a person must decide elsewhere.
   * Default: callers that `auth` has authenticated.
   */
  decide?: boolean | ((by: Principal) => boolean);
  /**
   * Whose approvals are put before the person at the client, as elicitations, if the client has that capability. The answer is a decision of
   * the caller. Default: everybody's, but with `auth: 'none'` no one's.
   */
  elicit?: boolean | ((by: Principal) => boolean);
  /** The limits of every run. */
  limits?: Limits;
  /** Whether a run is cancelled when the client that called disconnects. Default false. */
  cancelOnDisconnect?: boolean;
}

export const MCP = {
  ...BODY,
  auth: 'auth: bearer({ verify })',
  path: "path: '/mcp'",
  info: "info: { name: 'desk', version: '1.0.0' }",
  instructions: "instructions: 'Ask for one order at a time.'",
  sessions: 'sessions: true',
  decide: 'decide: false',
  elicit: 'elicit: false',
  limits: 'limits: { steps: 20 }',
  cancelOnDisconnect: 'cancelOnDisconnect: true',
  resources: "resources: [{ uri: 'order://{id}', name: 'order', read }]",
  prompts: "prompts: [{ name: 'review', get }]",
} satisfies Record<keyof McpServeOptions, string>;

/** @throws RondoError `CONFIG_INVALID`. */
export function serveMcp(
  offering: Offering,
  o: McpServeOptions & { info: { name: string; version: string } },
  { where, tell }: { where: string; tell: (error: unknown) => void },
): McpHandler {
  checkAuth(o.auth, where);
  const path = pathOf(o.path ?? '/mcp', where, '/mcp');
  const { info, instructions, decide = typeof o.auth === 'function', elicit = o.auth !== 'none' } = o;
  const served: Served = { offering, info, instructions };
  const options = sessionOptions(o.sessions, where);
  const sessions = options && new McpSessions(served, options);
  const modern = lazy(() => modernServer(served));
  const methods = sessions ? ['POST', 'GET', 'DELETE'] : ['POST'];
  const handle = authenticated(o.auth, tell, (request) => {
    if (!isAt(new URL(request.url).pathname, path)) throw new HttpError(404, `There is nothing here: MCP is at ${path || '/'}.`);
    checkOrigin(request, o.auth);
    // without sessions there are no messages of the server's own, and nothing to end
    if (!methods.includes(request.method))
      throw new HttpError(405, `The method here is ${methods.join(', ')}.`, { allow: methods.join(', ') });
    return async ({ by, assertion }) => {
      const body = request.method === 'POST' ? await readJson(request, o) : undefined;
      const caller: Caller = {
        by,
        assertion: assertion === undefined ? undefined : { type: 'jwt', token: assertion },
        mayDecide: typeof decide === 'function' ? decide(by) : decide,
        mayBeAsked: typeof elicit === 'function' ? elicit(by) : elicit,
        // by a getter, which keeps the request: the signal of one that was collected is never aborted
        get gone() {
          return request.signal;
        },
      };
      const odd = oddParams(body);
      if (odd !== undefined) return rpcAnswer(400, body, INVALID_PARAMS, odd);
      if (mayBeModern(request, body)) {
        const newer = await modern();
        if (newer && (await newer.isOurs(request, body))) return forSlowReader(await newer.answer(caller, request, body));
      }
      return forSlowReader(await (sessions ? sessions.answer(caller, request, body) : answerOnce(served, caller, request, body)));
    };
  });
  return Object.assign(handle, {
    changed: (list: 'resources' | 'prompts') => offering.changes.tell(list),
    updated: (uri: string) => offering.changes.tell({ updated: uri }),
  });
}

/** Calls with the same key of one caller are one run. */
export function requestIdOf(meta: { readonly [k: string]: unknown } | undefined): string | undefined {
  const key = meta?.['rondo/idempotency-key'];
  return typeof key === 'string' ? key : undefined;
}
