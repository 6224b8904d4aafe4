/** What the authorization server is told at its start. */
import { randomBytes } from 'node:crypto';
import { invalid } from '../../../../errors.ts';
import { checkOptions } from '../../../../options.ts';
import type { World } from '../call.ts';

export interface AuthorizationOptions {
  /** Who can sign in. Default: no one. */
  users?: readonly string[];
  /** Where an application lets its users come back after they signed in. Only these, and the callback URLs of credential providers. */
  redirectUrls?: readonly string[];
  /** Milliseconds. Default: an hour, 30 days, and a minute. */
  lifetimes?: { accessToken?: number; refreshToken?: number; code?: number };
}

/** The one client of the authorization server: of credential providers, and of applications that sign users in. */
export interface AuthorizationClient {
  /** Also the issuer. */
  readonly url: string;
  readonly discoveryUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Where it is, below the URL of the local server. */
export const PATH = '/authorization';
const CLIENT_ID = 'rondo';
const WHERE = 'startAgentCore({ identity: { authorization } })';

const OPTIONS = {
  users: "users: ['ana', 'ben']",
  redirectUrls: "redirectUrls: ['http://localhost:3000/callback']",
  lifetimes: 'lifetimes: { accessToken: 600_000 }',
} satisfies Record<keyof AuthorizationOptions, string>;

/** @throws RondoError `CONFIG_INVALID` */
export function checkAuthorization(o: AuthorizationOptions): void {
  checkOptions(o, OPTIONS, WHERE);
  const { users = [], redirectUrls = [], lifetimes = {} } = o;
  if (!users.every((user) => typeof user === 'string' && /^[\w.@+-]{1,100}$/.test(user)))
    throw invalid(`${WHERE}: users have names of 1 to 100 letters, digits, "_", ".", "@", "+" and "-".`);
  if (!redirectUrls.every((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) && !url.includes('#')))
    throw invalid(`${WHERE}: redirectUrls are URLs of http or https without a fragment.`);
  for (const [name, ms] of Object.entries(lifetimes))
    if (!Number.isInteger(ms) || ms < 1_000) throw invalid(`${WHERE}: lifetimes.${name} is in milliseconds, at least 1,000.`);
}

const KIND = 'authorization-client';
const ABOUT = 'the secret of the client of the authorization server';

/** The secret stays the same over starts with the same state. */
export function clientSecretOf({ state }: World): string {
  const kept = state.get<string>(KIND, CLIENT_ID);
  const secret = (kept && state.sealing.open<string>(ABOUT, kept)) ?? randomBytes(24).toString('base64url');
  if (!kept) state.put(KIND, CLIENT_ID, state.sealing.seal(ABOUT, secret));
  return secret;
}

/** @param server the URL of the local server. */
export const clientOf = (server: string, clientSecret: string): AuthorizationClient => ({
  url: `${server}${PATH}`,
  discoveryUrl: `${server}${PATH}/.well-known/openid-configuration`,
  clientId: CLIENT_ID,
  clientSecret,
});
