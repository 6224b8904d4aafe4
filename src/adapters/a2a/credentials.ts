/** The credentials of `a2aAgent()`, checked against those that the peer's card requires. */

import type { AgentCard, SecurityScheme } from '@a2a-js/sdk';
import { invalid, ToolError } from '../../errors.ts';
import { joining } from '../../flight.ts';
import { checkOptions } from '../../options.ts';
import type { TurnContext } from '../../ports/foreign.ts';
import { isLoopback } from '../../server/addresses.ts';

/** A bearer token, or a function that gets one for a turn. */
export type Token = string | ((ctx: TurnContext) => string | Promise<string>);

/**
 * Checks that the credentials can satisfy the card's requirements. Headers of the application may hold any credentials, so they are not
 * checked.
 * @throws ToolError `A2A_NO_CREDENTIALS`. Only the card was requested by then.
 */
export function assertWelcome(name: string, card: AgentCard, has: 'nothing' | 'token' | 'headers'): void {
  const { securityRequirements, securitySchemes } = card;
  const wanted = securityRequirements.map(({ schemes }) => Object.keys(schemes));
  if (has === 'headers' || wanted.length === 0) return;
  if (wanted.some((schemes) => schemes.length === 0 || (has === 'token' && schemes.every((s) => takesBearer(securitySchemes[s]))))) return;
  const ways = wanted.map((schemes) => schemes.map((s) => named(s, securitySchemes[s])).join(' with ')).join(', or ');
  throw new ToolError(
    'A2A_NO_CREDENTIALS',
    `agent "${name}" wants ${ways.slice(0, 500)}. Pass ${has === 'token' ? 'headers' : 'auth or headers'} to a2aAgent().`,
    { outcome: 'not-run' },
  );
}

function takesBearer(declared: SecurityScheme | undefined): boolean {
  const scheme = declared?.scheme;
  if (scheme?.$case === 'httpAuthSecurityScheme') return scheme.value.scheme.toLowerCase() === 'bearer';
  return scheme?.$case === 'oauth2SecurityScheme' || scheme?.$case === 'openIdConnectSecurityScheme';
}

const KINDS = {
  apiKeySecurityScheme: 'an API key',
  httpAuthSecurityScheme: 'HTTP authentication',
  oauth2SecurityScheme: 'OAuth 2',
  openIdConnectSecurityScheme: 'OpenID Connect',
  mtlsSecurityScheme: 'mutual TLS',
} as const;
const named = (name: string, scheme: SecurityScheme | undefined) =>
  `${scheme?.scheme ? KINDS[scheme.scheme.$case] : 'something unknown'} (${name})`;

export interface ClientCredentialsOptions {
  /** The token URL of the authorization server. The one in a card is never used, because a malicious card would get the secret. */
  tokenUrl: string;
  clientId: string;
  clientSecret: string;
  scopes?: readonly string[];
  /** More parameters of the token request, such as `audience` or `resource`. */
  parameters?: Readonly<Record<string, string>>;
}

const OPTIONS = {
  tokenUrl: "tokenUrl: 'https://id.example.com/token'",
  clientId: 'clientId: process.env.CLIENT_ID',
  clientSecret: 'clientSecret: process.env.CLIENT_SECRET',
  scopes: "scopes: ['agents']",
  parameters: "parameters: { audience: 'agents' }",
} satisfies Record<keyof ClientCredentialsOptions, string>;

/** Milliseconds for a token request, and before its expiry that a token is renewed. */
const TIMEOUT = 10_000;
const EARLY = 30_000;
const MAX_BODY = 65_536;

/**
 * Gets tokens by the OAuth 2 client credentials grant, for `a2aAgent(url, { auth })`. A token is reused until shortly before it expires.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function clientCredentials(o: ClientCredentialsOptions): () => Promise<string> {
  checkOptions(o, OPTIONS, 'clientCredentials()', { scopes: 'list' });
  const { tokenUrl, clientId, clientSecret, scopes = [], parameters } = o;
  const url = URL.canParse(tokenUrl) ? new URL(tokenUrl) : undefined;
  if (!url || (url.protocol !== 'https:' && !isLoopback(url.hostname))) throw invalid('clientCredentials(): tokenUrl is an https URL.');
  if (!clientId || !clientSecret) throw invalid('clientCredentials() needs clientId and clientSecret.');
  // RFC 6749, 2.3.1: id and secret are form-encoded before they are joined
  const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64');
  const body = new URLSearchParams({
    ...parameters,
    grant_type: 'client_credentials',
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
  });
  let known: { token: string; until: number } | undefined;
  const join = joining<undefined, string>();

  async function fetched(): Promise<string> {
    const response = await fetch(url as URL, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}`, accept: 'application/json' },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const text = await bounded(response);
    if (!response.ok) throw new Error(`the token endpoint answered HTTP ${response.status}`);
    const { access_token: token, token_type: type, expires_in: seconds } = JSON.parse(text) as { [k: string]: unknown };
    if (typeof token !== 'string' || token === '' || typeof type !== 'string' || type.toLowerCase() !== 'bearer')
      throw new Error('the token endpoint gave no bearer token');
    // a token without a lifetime is used once
    known = { token, until: typeof seconds === 'number' ? Date.now() + seconds * 1_000 - EARLY : 0 };
    return token;
  }
  return () => {
    if (known && Date.now() < known.until) return Promise.resolve(known.token);
    return join(undefined, fetched);
  };
}

async function bounded(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_BODY) throw new Error('the token endpoint answered too much');
  }
  return text;
}
