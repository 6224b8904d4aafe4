import type { JWK } from 'jose';
import { RondoError } from '../../errors.ts';
import { foreignAgent } from '../../foreign/foreign.ts';
import type { Limits } from '../../journal/entries.ts';
import type { Json } from '../../json.ts';
import type { Agent } from '../../loop/types.ts';

import type { TurnContext } from '../../ports/foreign.ts';
import type { AgentInput } from '../../ports/model.ts';
import type { Effect, Retry } from '../../ports/tool.ts';
import type { Token } from './credentials.ts';
import { Peer } from './peer.ts';
import { stop, takeTurn, type Waiting } from './turn.ts';

type Headers = Readonly<Record<string, string>>;

export interface A2AAgentOptions {
  /** Default: made from the host's name. */
  name?: string;
  /** What it is for. Default: where it is; what its card says of it is never shown to a model. */
  description?: string;
  /** A bearer token, or what gets one for a turn, such as `clientCredentials({ ... })`. It goes to the agent's own origins only. */
  auth?: Token;
  /** Sent with every request, such as an API key; a function is asked for each turn. They go to the agent's own origins only. */
  headers?: Headers | ((ctx: TurnContext) => Headers | Promise<Headers>);
  /** What asking it twice does. A Rondo peer takes a message that comes twice for one. Default `once`. */
  effect?: Effect;
  /** One attempt at a turn, ms. Default 600,000. */
  timeout?: number;
  retry?: Retry;
  limits?: Limits;
  /** Other origins than its own that its card may send us to. */
  allowOrigins?: readonly string[];
  /** Public keys, by `kid`: with them, a card that none of them signed is not used. */
  keys?: readonly JWK[];
  /** Of one answer, a whole stream included. Default 4,000,000. */
  maxBytes?: number;
}

/**
 * A remote agent, to be run, or to be part of a supervisor or a graph. Its card is fetched when it is first needed, and checked.
 * A remote failure is a `ToolError`; `not-run` only where the message certainly never arrived.
 * What it asks of people are approvals of the run; what it says is data, and decides nothing. Its output is a text, or the value of the data
 * that it made, where it made nothing else.
 * @param address its origin, the folder of its `.well-known/agent-card.json`, or the address of its card.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function a2aAgent(address: string, o: A2AAgentOptions = {}): Agent<AgentInput, Json, Record<never, never>> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) throw invalid(`"${address}" is not an http or https URL.`);
  if (url.username || url.password) throw invalid('credentials go into headers, not into the URL.');
  const { headers, maxBytes = 4_000_000, effect = 'once' } = o;
  if (!(maxBytes > 0)) throw invalid('maxBytes must be a number above 0.');
  if (o.keys?.length === 0) throw invalid('keys is empty: no card could be used.');
  const name = o.name ?? (url.host.replace(/[^a-zA-Z0-9]+/g, '_').slice(0, 64) || 'remote');
  const peer = new Peer({
    url,
    name,
    maxBytes,
    origins: new Set([url.origin, ...(o.allowOrigins ?? []).map(originOf)]),
    keys: o.keys,
    auth: o.auth,
    headers: headers && (async (ctx) => (typeof headers === 'function' ? headers(ctx) : headers)),
  });
  return foreignAgent<Json, Waiting>({
    name,
    description: o.description ?? `The agent at ${url.origin}.`,
    effect,
    ...(o.timeout !== undefined && { timeout: o.timeout }),
    ...(o.retry && { retry: o.retry }),
    ...(o.limits && { limits: o.limits }),
    turn: (turn, ctx) => takeTurn(peer, effect, turn, ctx),
    cancel: ({ taskId }, ctx) => stop(peer, taskId, ctx),
  });
}

function originOf(text: string): string {
  if (URL.canParse(text) && new URL(text).origin !== 'null') return new URL(text).origin;
  throw invalid(`"${text}" is not an origin, such as "https://agents.example.com".`);
}

const invalid = (message: string) => new RondoError('CONFIG_INVALID', `a2aAgent(): ${message}`);
