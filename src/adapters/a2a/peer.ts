/** A remote agent: fetches and checks its card, and makes a client for each turn. */
import { AgentCard, canonicalizeAgentCard } from '@a2a-js/sdk';
import { type Client, ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory } from '@a2a-js/sdk/client';
import { flattenedVerify, importJWK, type JWK } from 'jose';
import { ToolError } from '../../errors.ts';
import type { TurnContext } from '../../ports/foreign.ts';
import { secretsIn } from '../../secrets.ts';
import { assertWelcome, type Token } from './credentials.ts';
import { failure, lineTo } from './fetch.ts';

export interface PeerOptions {
  readonly url: URL;
  readonly name: string;
  readonly origins: ReadonlySet<string>;
  readonly keys: readonly JWK[] | undefined;
  readonly auth: Token | undefined;
  readonly headers: ((ctx: TurnContext) => Promise<Readonly<Record<string, string>>>) | undefined;
  readonly maxBytes: number;
}

/** Milliseconds for which a card is cached. */
const FRESH = 300_000;
/** Most bytes of a card. */
const MAX_CARD = 262_144;
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA', 'Ed25519'];

export class Peer {
  readonly o: PeerOptions;
  #card: { card: AgentCard; at: number } | undefined;

  constructor(o: PeerOptions) {
    this.o = o;
  }

  /**
   * A client whose requests carry this turn's headers.
   * @param signal aborts its requests. Default: the turn's signal.
   * @throws ToolError. Only the card was requested by then.
   */
  async client(ctx: TurnContext, signal = ctx.signal): Promise<Client> {
    const { name, origins, maxBytes, auth } = this.o;
    const headers = await this.#headers(ctx);
    const card = await this.#cardNow(headers, signal);
    assertWelcome(name, card, this.o.headers ? 'headers' : auth === undefined ? 'nothing' : 'token');
    const fetchImpl = lineTo({ name, origins, headers, signal, maxBytes });
    const o = { fetchImpl, legacyCompat: { enabled: true } };
    const factory = new ClientFactory({
      transports: [new JsonRpcTransportFactory(o), new RestTransportFactory(o)],
      // the card is checked already: the SDK must not fetch it again
      cardResolver: { resolve: async () => card, normalizeAgentCard: (c) => c as AgentCard },
    });
    try {
      return await factory.createFromAgentCard(card);
    } catch (error) {
      throw rejected(name, 'it offers neither JSON-RPC nor REST', error);
    }
  }

  async #headers(ctx: TurnContext): Promise<Record<string, string>> {
    const { name, auth, headers } = this.o;
    const found: Record<string, string> = {};
    if (ctx.traceparent !== undefined) found.traceparent = ctx.traceparent;
    try {
      const token = typeof auth === 'function' ? await auth(ctx) : auth;
      if (token !== undefined) found.authorization = `Bearer ${token}`;
      const own = (await headers?.(ctx)) ?? {};
      ctx.secrets.add([['authorization', token ?? ''], ...secretsIn(own)]);
      return Object.assign(found, own);
    } catch (error) {
      throw new ToolError('A2A_NO_CREDENTIALS', `the credentials for agent "${name}" could not be had.`, {
        outcome: 'not-run',
        retryable: true,
        cause: error,
      });
    }
  }

  async #cardNow(headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<AgentCard> {
    const known = this.#card;
    if (known && Date.now() - known.at < FRESH) return known.card;
    const whole = await this.#fetchCard(headers, signal);
    // the signature covers the whole card, so it is verified before interfaces are removed
    if (this.o.keys) await signed(this.o.name, whole, this.o.keys);
    this.#card = { card: this.#checked(whole), at: Date.now() };
    return this.#card.card;
  }

  async #fetchCard(headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<AgentCard> {
    const { name, url } = this.o;
    const from = lineTo({ name, origins: new Set([url.origin]), headers, signal, maxBytes: MAX_CARD });
    const below = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`;
    const at = url.pathname.endsWith('.json') ? url : new URL(`${below}.well-known/agent-card.json`, url);
    let raw: unknown;
    try {
      const response = await from(at, { headers: { 'a2a-version': '1.0', accept: 'application/json' } });
      if (!response.ok) throw rejected(name, `its card is not there (HTTP ${response.status})`);
      raw = await response.json();
    } catch (error) {
      const { code, message, retryable, retryAfter } = failure(error, name, false);
      // not-run in any case: the peer was asked only for its card
      const where = `It was asked for its card, ${at.origin}${at.pathname}.`;
      throw new ToolError(code === 'A2A_BAD_RESPONSE' ? 'A2A_CARD_REJECTED' : code, `${message} ${where}`, {
        outcome: 'not-run',
        retryable,
        ...(retryAfter !== undefined && { retryAfter }),
        cause: error,
      });
    }
    return parsed(name, raw);
  }

  /** The card with only the interfaces at its own origin or an allowed one. @throws ToolError if none is left. */
  #checked(card: AgentCard): AgentCard {
    const { name, origins } = this.o;
    const own = card.supportedInterfaces.filter(({ url }) => URL.canParse(url) && origins.has(new URL(url).origin));
    if (own.length > 0) return { ...card, supportedInterfaces: own };
    const others = card.supportedInterfaces.map(({ url }) => (URL.canParse(url) ? new URL(url).origin : 'no address')).slice(0, 5);
    throw rejected(name, `it sends callers to ${others.join(', ') || 'nowhere'}. Name an origin that is meant in allowOrigins`);
  }
}

function parsed(name: string, raw: unknown): AgentCard {
  try {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw new TypeError('it is not an object');
    if (Array.isArray((raw as { supportedInterfaces?: unknown }).supportedInterfaces)) return AgentCard.fromJSON(raw);
    const legacy = new DefaultAgentCardResolver({ legacyCompat: { enabled: true } }).normalizeAgentCard(raw) as AgentCard;
    if (Array.isArray(legacy.supportedInterfaces)) return legacy;
    throw new TypeError('it names no interface');
  } catch (error) {
    throw rejected(name, 'it is not an agent card', error);
  }
}

/** Verifies a signature of the card. Only the configured keys are used, never a key URL from the card. */
async function signed(name: string, card: AgentCard, keys: readonly JWK[]): Promise<void> {
  const payload = Buffer.from(canonicalizeAgentCard(card)).toString('base64url');
  for (const { protected: header, signature } of card.signatures.slice(0, 10)) {
    for (const key of keys) {
      try {
        const jws = { payload, protected: header, signature };
        const { protectedHeader } = await flattenedVerify(jws, await importJWK(key, key.alg ?? algOf(header)), { algorithms: ALGORITHMS });
        if (protectedHeader?.kid === key.kid) return;
      } catch {
        // another one may fit
      }
    }
  }
  throw rejected(name, card.signatures.length === 0 ? 'it is not signed' : 'no signature of it is by a key that is given');
}

const algOf = (header: string): string => String((JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg?: unknown }).alg);

const rejected = (name: string, why: string, cause?: unknown) =>
  new ToolError('A2A_CARD_REJECTED', `the card of agent "${name}" cannot be used: ${why}.`, { outcome: 'not-run', cause });
