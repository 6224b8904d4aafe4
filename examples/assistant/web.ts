/**
 * The web application of the assistant: sign-in at the authorization server, the chat page, the return from a consent, and what is remembered of the user
 * who is signed in. It knows neither where the agent runs nor where its memory and its tokens are.
 */
import { randomBytes } from 'node:crypto';
import * as oidc from 'openid-client';
import type { Engine, Identity } from 'rondo';
import { consentCallback } from 'rondo/identity';
import type { RememberedMemory } from 'rondo/memory';
import { type Handler, isLoopback } from 'rondo/server';
import { pages } from './pages.ts';

export interface WebOptions {
  /** Where browsers reach this application. */
  url: string;
  /** Where the page talks to the agent, such as `ws://127.0.0.1:8080/ws`. */
  socket: string;
  /** Of the authorization server. */
  signIn: { discoveryUrl: string; clientId: string; clientSecret: string };
  engine: Engine;
  identity: Identity;
  memory: RememberedMemory;
  /** Whether the runs go on in this process, or in the session of the agent. */
  resume: boolean;
}

interface SignedIn {
  by: { id: string };
  token: string;
  until: number;
}

/** Where a browser comes back to after its sign-in. */
export const SIGNED_IN = '/signed-in';
/** Where it comes back to after a consent. */
export const CONSENT = '/consent';
const COOKIE = 'assistant';
const SCOPE = 'openid';

export async function web({ url, socket, signIn, engine, identity, memory, resume }: WebOptions): Promise<Handler> {
  const { discoveryUrl, clientId, clientSecret } = signIn;
  const issuer = new URL(discoveryUrl);
  const local = isLoopback(issuer.hostname) ? { execute: [oidc.allowInsecureRequests] } : {};
  const server = await oidc.discovery(issuer, clientId, clientSecret, undefined, local);
  const sessions = new Map<string, SignedIn>();
  /** Sign-ins that have begun, by their state. */
  const begun = new Map<string, { verifier: string; browser: string }>();

  const cookieOf = (request: Request) => new RegExp(`(?:^|; )${COOKIE}=([\\w-]+)`).exec(request.headers.get('cookie') ?? '')?.[1];
  const cookie = (value: string) => ({ 'set-cookie': `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Lax` });

  function signedIn(request: Request): SignedIn | undefined {
    const found = sessions.get(cookieOf(request) ?? '');
    return found && found.until > Date.now() ? found : undefined;
  }

  async function toSignIn(): Promise<Response> {
    const [verifier, state, browser] = [oidc.randomPKCECodeVerifier(), oidc.randomState(), randomBytes(24).toString('base64url')];
    begun.set(state, { verifier, browser });
    const location = oidc.buildAuthorizationUrl(server, {
      redirect_uri: url + SIGNED_IN,
      scope: SCOPE,
      state,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).href;
    return new Response(null, { status: 302, headers: { location, ...cookie(browser) } });
  }

  async function fromSignIn(request: Request): Promise<Response> {
    const at = new URL(url + SIGNED_IN + new URL(request.url).search);
    const state = at.searchParams.get('state') ?? '';
    const known = begun.get(state);
    begun.delete(state);
    // the browser that began it, so that no one is signed in by the link of another
    if (!known || cookieOf(request) !== known.browser) return text('This sign-in was not begun here. Open the page again.', 400);
    const tokens = await oidc.authorizationCodeGrant(server, at, { pkceCodeVerifier: known.verifier, expectedState: state });
    const id = tokens.claims()?.sub;
    if (id === undefined) return text('The authorization server did not say who you are.', 502);
    const session = randomBytes(24).toString('base64url');
    sessions.set(session, { by: { id }, token: tokens.access_token, until: Date.now() + (tokens.expires_in ?? 600) * 1_000 });
    return new Response(null, { status: 302, headers: { location: '/', ...cookie(session) } });
  }

  /** What is remembered of the user, and of no one else. */
  async function remembered(request: Request, { by }: SignedIn): Promise<Response> {
    const known = memory.of(by);
    const id = decodeURIComponent(new URL(request.url).pathname.slice('/memory/'.length));
    if (request.method === 'GET') return Response.json(await known.list({ limit: 100 }), { headers: { 'cache-control': 'no-store' } });
    if (request.method !== 'DELETE') return text('GET or DELETE', 405);
    await (id === '' ? known.forget() : known.remove(id));
    return new Response(null, { status: 204 });
  }

  const consent = consentCallback(engine, identity, {
    authenticate: (request) => {
      const found = signedIn(request);
      return found && { by: found.by, assertion: found.token };
    },
    returnUrls: [url + CONSENT],
    next: ({ outcome }) => `/consented?outcome=${outcome}`,
    resume,
  });
  const page = pages(socket, { signedIn: true });

  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === SIGNED_IN) return fromSignIn(request);
    if (pathname === CONSENT) return consent(request);
    const found = signedIn(request);
    if (!found) return request.headers.get('accept')?.includes('text/html') ? toSignIn() : text('Not signed in', 401);
    if (pathname === '/token')
      return Response.json({ user: found.by.id, token: found.token }, { headers: { 'cache-control': 'no-store' } });
    if (pathname === '/memory' || pathname.startsWith('/memory/')) return remembered(request, found);
    return page(request);
  };
}

const text = (said: string, status: number) => new Response(said, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } });
