/** Providers of credentials: an authorization server and how this application is known there, or an API key. */
import { KeyObject, type webcrypto } from 'node:crypto';
import { types } from 'node:util';
import { invalid } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import { isScope } from '../../server/claims.ts';
import { isTrusted } from '../../server/jose.ts';

export interface Provider {
  /** The issuer, or its discovery document, which ends with `/.well-known/...`. Over https, or on this machine. */
  discovery?: string;
  /** In place of a discovery document. */
  endpoints?: {
    issuer: string;
    authorization?: string;
    token: string;
    /** RFC 7009. Without it tokens are only forgotten. */
    revocation?: string;
  };
  clientId?: string;
  clientSecret?: string;
  /** A private key in place of a secret (RFC 7523), with the id by which the server knows it. */
  clientKey?: webcrypto.CryptoKey | { key: webcrypto.CryptoKey; kid: string };
  /** How the secret is sent. Default `basic`; `none` for a client without one. */
  clientAuth?: 'basic' | 'post' | 'none';
  /** Scopes that are asked for in each consent beside those of the tool, such as `offline_access` for a refresh token. */
  extraScopes?: readonly string[];
  /** More parameters of the authorization URL. */
  parameters?: Readonly<Record<string, string>>;
  /** Of the flow `exchange`: the grant, and more of its parameters. Default `token-exchange` (RFC 8693). `jwt-bearer` is RFC 7523. */
  exchange?: { grant: 'token-exchange' | 'jwt-bearer'; parameters?: Readonly<Record<string, string>> };
  /** A key of the application, for the flow `api-key`. It may be in the vault instead: `identity.setKey(provider, key)`. */
  apiKey?: string;
}

const EXAMPLES = {
  discovery: "discovery: 'https://accounts.example.com'",
  endpoints: "endpoints: { issuer: 'https://id.example.com', token: 'https://id.example.com/token' }",
  clientId: "clientId: 'my-app'",
  clientSecret: 'clientSecret: process.env.CLIENT_SECRET',
  clientKey: 'clientKey: { key, kid }',
  clientAuth: "clientAuth: 'post'",
  extraScopes: "extraScopes: ['offline_access']",
  parameters: "parameters: { access_type: 'offline' }",
  exchange: "exchange: { grant: 'jwt-bearer' }",
  apiKey: 'apiKey: process.env.WEATHER_KEY',
} satisfies { [K in keyof Provider]-?: string };

const ENDPOINTS = {
  issuer: "issuer: 'https://id.example.com'",
  authorization: "authorization: 'https://id.example.com/authorize'",
  token: "token: 'https://id.example.com/token'",
  revocation: "revocation: 'https://id.example.com/revoke'",
} satisfies { [K in keyof NonNullable<Provider['endpoints']>]-?: string };
const EXCHANGE = {
  grant: "grant: 'jwt-bearer'",
  parameters: "parameters: { requested_token_use: 'on_behalf_of' }",
} satisfies { [K in keyof NonNullable<Provider['exchange']>]-?: string };

/** Where these providers are, and what they need. Add a client: `{ ...presets.github, clientId, clientSecret }`. */
export const presets = {
  /** Its tokens do not expire, unless the app asks for it. It has no revocation by RFC 7009. */
  github: {
    endpoints: {
      issuer: 'https://github.com/login/oauth',
      authorization: 'https://github.com/login/oauth/authorize',
      token: 'https://github.com/login/oauth/access_token',
    },
    clientAuth: 'post',
  },
  /** A refresh token is given only for a consent that was asked for with these parameters. */
  google: {
    discovery: 'https://accounts.google.com',
    clientAuth: 'post',
    parameters: { access_type: 'offline', prompt: 'consent' },
  },
} as const satisfies Record<string, Provider>;

/** The authorization server at which persons consent, if there is one. */
export const issuerOf = ({ discovery, endpoints }: Provider): string | [] =>
  discovery ?? (endpoints?.authorization === undefined ? [] : endpoints.issuer);

/** @throws RondoError `CONFIG_INVALID`, without a secret in its message. */
export function checkProvider(name: string, provider: Provider): void {
  const where = `provider "${name}"`;
  checkOptions(provider, EXAMPLES, where, {
    discovery: 'text',
    endpoints: 'object',
    clientId: 'text',
    extraScopes: 'list',
    parameters: 'object',
    exchange: 'object',
  });
  const { discovery, endpoints, clientId, clientSecret, clientKey, clientAuth, exchange, apiKey } = provider;
  if (endpoints) checkOptions(endpoints, ENDPOINTS, `${where}: endpoints`);
  if (exchange) checkOptions(exchange, EXCHANGE, `${where}: exchange`, { parameters: 'object' });
  const urls = [discovery, endpoints?.issuer, endpoints?.authorization, endpoints?.token, endpoints?.revocation];
  if (urls.some((url) => url !== undefined && URL.canParse(url) && (new URL(url).username || new URL(url).password)))
    throw invalid(`${where}: an address holds no user and no password. They are clientId and clientSecret.`);
  for (const url of urls)
    if (url !== undefined && !(URL.canParse(url) && isTrusted(new URL(url))))
      throw invalid(`${where}: "${url}" is not a URL over https, or on this machine.`);
  if (discovery !== undefined && endpoints) throw invalid(`${where} has a discovery document or endpoints, not both.`);
  if (endpoints && !(endpoints.issuer && endpoints.token)) throw invalid(`${where}: endpoints need issuer and token.`);
  if (discovery === undefined && !endpoints && apiKey === undefined && clientId !== undefined)
    throw invalid(`${where} has a client, and neither discovery nor endpoints that say where its server is.`);
  if ((discovery !== undefined || endpoints) && !clientId) throw invalid(`${where} needs clientId.`);
  if (clientAuth !== undefined && !['basic', 'post', 'none'].includes(clientAuth))
    throw invalid(`${where}: clientAuth is basic, post or none.`);
  if (clientId !== undefined && !clientSecret && !clientKey && clientAuth !== 'none')
    throw invalid(`${where} needs clientSecret or clientKey, or clientAuth: 'none' for a client without a secret.`);
  if (exchange && !['token-exchange', 'jwt-bearer'].includes(exchange.grant))
    throw invalid(`${where}: exchange.grant is token-exchange or jwt-bearer.`);
  for (const [option, texts] of Object.entries({ parameters: provider.parameters, 'exchange.parameters': exchange?.parameters }))
    if (!Object.values(texts ?? {}).every((text) => typeof text === 'string')) throw invalid(`${where}: ${option} are texts by name.`);
  if (!(provider.extraScopes ?? []).every(isScope))
    throw invalid(`${where}: extraScopes are texts without spaces: { ${EXAMPLES.extraScopes} }.`);
  // no secret is shown
  if (clientSecret !== undefined && typeof clientSecret !== 'string') throw invalid(`${where}: clientSecret is a text.`);
  if (apiKey !== undefined) checkKey(`${where}: apiKey`, apiKey);
  const key = typeof clientKey === 'object' && clientKey !== null && 'key' in clientKey ? clientKey.key : clientKey;
  if (key !== undefined && !(types.isCryptoKey(key) && KeyObject.from(key).type === 'private'))
    throw invalid(`${where}: clientKey is a private CryptoKey, or { key, kid } with one, such as importPKCS8() of jose gives.`);
}

/** @throws RondoError `CONFIG_INVALID` for an API key that no header can hold, without the key in its message. */
export function checkKey(where: string, key: unknown): void {
  if (typeof key !== 'string' || key === '') throw invalid(`${where} is a text that is not empty. Look at where it is read from.`);
  if (key.trim() !== key)
    throw invalid(`${where} begins or ends with white space, such as the end of a line of a file. Take it away: trim().`);
}
