/** The endpoints of gateways: who calls, and whether MCP or a target of HTTP is called. */
import { randomUUID } from 'node:crypto';
import type { Principal } from '../../../../ports/principal.ts';
import type { Received } from '../answer.ts';
import type { Caller, World } from '../call.ts';
import { AwsError, type Encoded, encodeError } from '../codec/error.ts';
import { match } from '../codec/match.ts';
import type { CallLog } from '../log.ts';
import { admission } from './admission.ts';
import type { Answering, BehindEndpoint, Current } from './endpoint-types.ts';
import { mcpRequests } from './mcp-requests.ts';
import { json, nameOf, Refusal, refusalOf, rpcIn, whyOf } from './refusal.ts';
import { type Gateway, gatewayOf, gatewayPath, statusOf } from './resources.ts';
import { ended } from './streaming.ts';

/** What a route of this server is given besides the request. */
export interface Routed {
  /** @throws AwsError for a signature that does not hold. */
  caller(): Caller;
  log(record: Parameters<CallLog['add']>[0]): void;
}

export interface GatewayEndpoint {
  /** @returns undefined for a path that is not of a gateway. */
  route(received: Received, on: Routed): Promise<Encoded | undefined>;
  /** Whether the token of a request is good, before its body is read. */
  admits(path: string, token: string): Promise<boolean>;
  /** The caller of the request that is being answered. */
  current(): Principal | undefined;
  clear(): void;
}

const METADATA = '/.well-known/oauth-protected-resource';

/** What a path of a gateway is for. */
interface Place {
  readonly id: string;
  readonly of: 'mcp' | 'metadata' | { readonly target: string; readonly path: string };
}

function placeOf({ method, path }: Pick<Received, 'method' | 'path'>): Place | undefined {
  const [, asked] = /^\/\.well-known\/oauth-protected-resource\/gateways\/([^/]+)(?:\/mcp)?\/?$/.exec(path) ?? [];
  if (asked !== undefined) return { id: asked, of: 'metadata' };
  const [, id, rest = ''] = /^\/gateways\/([^/]+)(\/.+)$/.exec(path) ?? [];
  if (id === undefined) return undefined;
  const own = rest.replace(/\/$/, '');
  if (own === '/mcp') return { id, of: 'mcp' };
  if (own === METADATA) return { id, of: 'metadata' };
  // the control plane, on the same port
  if (match(method, path)) return undefined;
  const [, target = '', more = ''] = /^\/([^/]+)(.*)$/.exec(rest) ?? [];
  return target === '' ? undefined : { id, of: { target, path: more } };
}

export function gatewayEndpoint(world: World, behind: BehindEndpoint, current: Current): GatewayEndpoint {
  const mcp = mcpRequests(world, behind, current);
  const callers = admission(world);
  const baseOf = ({ headers }: Pick<Received, 'headers'>) => `http://${headers.host ?? 'localhost'}`;
  const metadataUrl = (received: Pick<Received, 'headers'>, id: string) => `${baseOf(received)}/gateways/${id}${METADATA}`;

  function found(id: string): Gateway {
    const gateway = gatewayOf(world, id);
    const status = statusOf(world, gateway);
    if (status === 'CREATING' || status === 'DELETING') throw new AwsError('ResourceNotFoundException', `Gateway ${id} is ${status}.`);
    return gateway;
  }

  async function route(received: Received, on: Routed): Promise<Encoded | undefined> {
    const place = placeOf(received);
    if (!place) return undefined;
    const { id, of } = place;
    const current: Answering = { id: randomUUID(), messageId: '' };
    const started = world.clock.now();
    let caller: string | undefined;
    let refused: unknown;
    let encoded: Encoded;
    const parsed = of === 'mcp' && received.method === 'POST' ? rpcIn(received.body) : {};
    const { id: messageId, method } = parsed instanceof Refusal ? {} : parsed;
    try {
      if (of === 'metadata') encoded = document(received, id);
      else {
        const gateway = found(id);
        const calling = callerFor(gateway, on);
        const admitted = await callers.admit(gateway, calling, metadataUrl(received, id));
        caller = admitted.by.id;
        encoded =
          of === 'mcp'
            ? await mcp.answered(received, gateway, parsed, admitted, current)
            : await behind.http.answered(received, { gateway, ...of, calling, admitted, of: current });
      }
    } catch (error) {
      refused = error;
      encoded = of === 'mcp' ? refusalOf(error, messageId) : encodeError(error, undefined);
    }
    const record = {
      id: current.id,
      at: started,
      method: received.method,
      path: received.path,
      operation: method ? `InvokeGateway ${method}` : 'InvokeGateway',
      ...(caller !== undefined && { caller }),
      status: encoded.status,
    };
    const end = (broken?: unknown) => {
      current.leave?.();
      const failed = refused ?? broken;
      const why = failed === undefined ? current.because : whyOf(failed);
      const told = { ...(why !== undefined && { error: nameOf(failed), rule: why }), ...(current.decided && { policy: current.decided }) };
      on.log({ ...record, ms: world.clock.now() - started, ...told });
    };
    const headers = { ...encoded.headers, 'x-amzn-requestid': current.id };
    if (typeof encoded.body === 'string' || encoded.body instanceof Uint8Array) {
      end();
      return { ...encoded, headers };
    }
    return { ...encoded, headers, body: ended(encoded.body, end) };
  }

  /** A gateway without authorization does not look at what a caller sends. */
  const callerFor = ({ settings }: Gateway, on: Routed): Caller => (settings.authorizerType === 'NONE' ? { kind: 'none' } : on.caller());

  function document(received: Received, id: string): Encoded {
    const gateway = found(id);
    const body = callers.metadata(gateway, `${baseOf(received)}${gatewayPath(gateway)}`);
    if (!body || received.method !== 'GET') throw new AwsError('ResourceNotFoundException', 'This gateway takes no tokens.');
    return json(200, body);
  }

  return {
    route,
    async admits(path, token) {
      const [, id] = /^\/gateways\/([^/]+)\/./.exec(path) ?? [];
      if (id === undefined) return false;
      try {
        await callers.admit(found(id), { kind: 'bearer', token }, '');
        return true;
      } catch {
        // the answer says why, if the body is small
        return false;
      }
    },
    current: () => current.getStore(),
    clear() {
      mcp.clear();
      behind.http.clear();
    },
  };
}
