/** An application that signs its users in at the authorization server of the local server, as any OAuth client does. */
import { createHash, randomBytes } from 'node:crypto';
import type { AgentCore } from '../../../src/adapters/agentcore/wire/index.ts';
import { type Browser, browser, consentAs } from './browser.ts';

export const APP = 'http://127.0.0.1:9/signed-in';

export interface SignedIn {
  idToken: string;
  accessToken: string;
}

interface Code {
  code: string | null;
  verifier: string;
  back: URL;
}

/** The authorization URL, and the verifier of its PKCE. */
export function authorizationUrl({ authorization }: AgentCore, more: Record<string, string | undefined> = {}) {
  const verifier = randomBytes(32).toString('base64url');
  const url = new URL(`${authorization.url}/auth`);
  const parameters = {
    client_id: authorization.clientId,
    redirect_uri: APP,
    response_type: 'code',
    scope: 'openid offline_access',
    state: 'a',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  };
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value);
  return { url: url.href, verifier };
}

async function codeOf(server: AgentCore, user: string, person: Browser): Promise<Code> {
  const { url, verifier } = authorizationUrl(server);
  const back = new URL(await consentAs(person, user, url, APP));
  return { code: back.searchParams.get('code'), verifier, back };
}

export function tokenRequest({ authorization }: AgentCore, form: Record<string, string>, path = 'token'): Promise<Response> {
  const { url, clientId, clientSecret } = authorization;
  const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
  return fetch(`${url}/${path}`, { method: 'POST', headers: { authorization: `Basic ${basic}` }, body: new URLSearchParams(form) });
}

/** @param user one of its users. The tokens are signed JWTs of them. */
export async function signIn(server: AgentCore, user: string, person = browser()): Promise<SignedIn> {
  const { code, verifier } = await codeOf(server, user, person);
  const form = { grant_type: 'authorization_code', code: code ?? '', redirect_uri: APP, code_verifier: verifier };
  const answer = (await (await tokenRequest(server, form)).json()) as { id_token: string; access_token: string };
  return { idToken: answer.id_token, accessToken: answer.access_token };
}
