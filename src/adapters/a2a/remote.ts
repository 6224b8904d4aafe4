import type { JWK } from 'jose';
import { invalid } from '../../errors.ts';
import { type ForeignIntent, FRAMEWORK, foreignAgent } from '../../foreign/foreign.ts';
import type { Limits } from '../../journal/entries/entries.ts';
import type { Json } from '../../json.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions } from '../../options.ts';

import type { TurnContext } from '../../ports/foreign.ts';
import type { AgentInput } from '../../ports/model.ts';
import type { Effect, Retry } from '../../ports/tool.ts';
import type { Token } from './credentials.ts';
import { Peer } from './peer.ts';
import { stop, takeTurn, type Waiting } from './turn.ts';

type Headers = Readonly<Record<string, string>>;

export interface A2AAgentOptions extends ForeignIntent {
  /** Default: derived from the host name. */
  name?: string;
  /** Shown to a supervising model. Default: the agent's URL. The description in the card is untrusted, so a model never sees it. */
  description?: string;
  /** A bearer token, or a function that gets one for a turn, such as `clientCredentials({ ... })`. It is sent only to the allowed origins. */
  auth?: Token;
  /** Headers of every request, such as an API key. A function is called for each turn. They are sent only to the allowed origins. */
  headers?: Headers | ((ctx: TurnContext) => Headers | Promise<Headers>);
  /** Whether a message may be sent twice. A Rondo peer treats a duplicate as one message. Default `once`. */
  effect?: Effect;
  /** Milliseconds of one attempt at a turn. Default 600,000. */
  timeout?: number;
  retry?: Retry;
  limits?: Limits;
  /** Origins besides its own that its card may name. */
  allowOrigins?: readonly string[];
  /** Public keys, found by `kid`. If given, a card must be signed with one of them. */
  keys?: readonly JWK[];
  /** Most bytes of one response. A stream counts as a whole. Default 4,000,000. */
  maxBytes?: number;
}

const { price: _, ...COMMON } = FRAMEWORK;
const OPTIONS = {
  ...COMMON,
  auth: 'auth: clientCredentials({ tokenUrl, clientId, clientSecret })',
  headers: "headers: { 'x-api-key': key }",
  allowOrigins: "allowOrigins: ['https://agents.example.com']",
  keys: 'keys: [publicJwk]',
  maxBytes: 'maxBytes: 4_000_000',
} satisfies Record<keyof A2AAgentOptions, string>;

/**
 * A remote agent over A2A, to run by itself, under a supervisor or in a graph. Its card is fetched and checked at the first use.
 * A remote failure is a `ToolError`, with outcome `not-run` only if the message certainly never arrived.
 * Its questions to people become approvals of the run. Everything it sends is untrusted data. Its output is a text, or a JSON value if it
 * returned a single data part.
 * @param address its origin, the folder of its `.well-known/agent-card.json`, or the URL of its card.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function a2aAgent(address: string, o: A2AAgentOptions = {}): Agent<AgentInput, Json, Record<never, never>> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) throw wrong(`"${address}" is not an http or https URL.`);
  if (url.username || url.password) throw wrong('credentials go into headers, not into the URL.');
  checkOptions(o, OPTIONS, 'a2aAgent()');
  const { headers, maxBytes = 4_000_000, effect = 'once' } = o;
  if (!(maxBytes > 0)) throw wrong('maxBytes must be a number above 0.');
  if (o.keys?.length === 0) throw wrong('keys is empty: no card could be used.');
  if (headers !== undefined && typeof headers !== 'object' && typeof headers !== 'function')
    throw wrong(`headers is an object, or a function that returns one: { ${OPTIONS.headers} }.`);
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
    timeout: o.timeout,
    retry: o.retry,
    limits: o.limits,
    key: o.key,
    intent: o.intent,
    remember: o.remember,
    turn: (turn, ctx) => takeTurn(peer, effect, turn, ctx),
    cancel: ({ taskId }, ctx) => stop(peer, taskId, ctx),
  });
}

function originOf(text: string): string {
  if (URL.canParse(text) && new URL(text).origin !== 'null') return new URL(text).origin;
  throw wrong(`"${text}" is not an origin, such as "https://agents.example.com".`);
}

const wrong = (message: string) => invalid(`a2aAgent(): ${message}`);
