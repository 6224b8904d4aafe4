import type { IncomingHttpHeaders } from 'node:http';
import { invalid } from '../errors.ts';
import { checkOptions } from '../options.ts';
import { type Principal, principal, principalProblem } from '../ports/principal.ts';
import { isLoopback } from './addresses.ts';
import { assertWeb, readBytes } from './body.ts';
import { HttpError } from './errors.ts';

/** A request as a scheme of authentication sees it. Nothing in it is trusted yet. */
export interface AuthRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** By names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** The bytes of the body, for a scheme that signs them; the request is read as before. @throws HttpError 413, 408. */
  body(): Promise<Uint8Array>;
}

/** Returns the principal of a request; undefined for an unknown caller, who gets 401. If it throws, the caller gets 503. */
export interface Auth {
  (request: AuthRequest): Principal | undefined | Promise<Principal | undefined>;
  /** The authentication scheme, for servers that publish it, such as in an A2A agent card. */
  readonly scheme?: AuthScheme;
  /** The value of `WWW-Authenticate` for an unknown caller. Default `Bearer`. */
  readonly challenge?: () => string;
  /** The token of a caller who is known, for the tools that exchange it or pass it on. Default: that of the header `Authorization`. */
  readonly assertion?: (request: AuthRequest) => string | undefined;
}

/** Who calls, and the token that says so: the `assertion` of the runs that this caller starts or resumes. */
export interface KnownCaller {
  readonly by: Principal;
  /** Only of a caller who was authenticated: what others send as a token says nothing. */
  readonly assertion: string | undefined;
}

/** How callers authenticate, for documents that a server publishes. It checks nothing. */
export interface AuthScheme {
  readonly type: 'bearer';
  readonly oauth2?: OAuth2;
}

/** Where a client gets its token. */
export interface OAuth2 {
  tokenUrl: string;
  /** If set, the flow is `authorizationCode`; otherwise `clientCredentials`. */
  authorizationUrl?: string;
  /** A description of each scope, by its name. */
  scopes?: Readonly<Record<string, string>>;
}

export interface BearerOptions {
  /** Returns the principal of a token; undefined if the token is not valid. */
  verify: (token: string) => Principal | undefined | Promise<Principal | undefined>;
  /** Where clients get tokens, for servers that publish it. */
  oauth2?: OAuth2;
}

/** Bytes of a body that are read to check its signature, and the milliseconds within which they must arrive. */
const MOST_SIGNED = 6_000_000;
const BODY_TIMEOUT = 30_000;
/** Characters. A longer token is refused unread. */
const LONGEST_TOKEN = 16_384;

/** The token of the header `Authorization`. */
export function bearerToken(authorization: string | null | undefined): string | undefined {
  const token = /^Bearer +([\w\-.~+/]+=*)$/i.exec(authorization ?? '')?.[1];
  return token === undefined || token.length > LONGEST_TOKEN ? undefined : token;
}

const BEARER = {
  verify: 'verify: jwt({ ... })',
  oauth2: "oauth2: { tokenUrl: 'https://id.example.com/token' }",
} satisfies Record<keyof BearerOptions, string>;

/** Authentication by `Authorization: Bearer ...`. @throws RondoError `CONFIG_INVALID`. */
export function bearer(o: BearerOptions): Auth {
  checkOptions(o, BEARER, 'bearer()');
  const { verify, oauth2 } = o;
  if (typeof verify !== 'function') throw invalid('bearer() needs verify: a function from a token to a principal, such as jwt({ ... }).');
  const auth = ({ headers }: AuthRequest) => {
    const token = bearerToken(headers.authorization);
    return token === undefined ? undefined : verify(token);
  };
  const scheme: AuthScheme = { type: 'bearer', ...(oauth2 && { oauth2 }) };
  return Object.assign(auth, { scheme });
}

/** Every caller of a server without authentication. */
const ANONYMOUS: KnownCaller = { by: { id: 'anonymous' }, assertion: undefined };

/** Undefined: only this machine may call, as `anonymous`. `'none'`: every caller is `anonymous`. */
export type AuthOption = Auth | 'none' | undefined;

/**
 * Without authentication, refuses requests whose Host is not loopback. This stops DNS rebinding, where a web page's own name resolves to
 * this machine.
 * @throws HttpError 403.
 */
export function checkHost(request: Request, auth: AuthOption): void {
  if (auth === undefined && !isLoopback(new URL(request.url).hostname)) throw new HttpError(403, 'Not for this host.');
}

/** @throws RondoError `CONFIG_INVALID` for anything else, such as `true`: a server must not be open by mistake. */
export function checkAuth(auth: unknown, where: string): void {
  if (auth !== undefined && auth !== 'none' && typeof auth !== 'function')
    throw invalid(`${where}: auth is a function such as bearer({ verify: jwt({ ... }) }), or 'none'.`);
}

/** @throws RondoError `CONFIG_INVALID` if a server without authentication would accept requests of other machines. */
export function checkOpen(host: string, auth: AuthOption, where: string): void {
  checkAuth(auth, where);
  if (auth === undefined && !isLoopback(host))
    throw invalid(`${where}: on ${host} any machine could call. Pass auth, or auth: 'none' if that is meant.`);
}

/** Who sends a request. `tell` gets an error of `auth`. @throws HttpError 401 for an unknown caller, 503 if `auth` fails; RondoError `CONFIG_INVALID` for a request that is not one of fetch. */
export async function authenticate(request: Request, auth: AuthOption, tell: (error: unknown) => void): Promise<KnownCaller> {
  assertWeb(request);
  if (typeof auth !== 'function') return ANONYMOUS;
  const { pathname, search } = new URL(request.url);
  const asked: AuthRequest = {
    method: request.method,
    url: pathname + search,
    headers: Object.fromEntries(request.headers),
    body: async () => (request.body ? readBytes(request.clone(), MOST_SIGNED, BODY_TIMEOUT) : new Uint8Array()),
  };
  let by: Principal | undefined;
  try {
    by = await auth(asked);
  } catch (error) {
    if (error instanceof HttpError) throw error;
    tell(error);
    throw new HttpError(503, 'Callers cannot be authenticated now.');
  }
  const wrong = by === undefined ? undefined : principalProblem(by);
  // the caller is told nothing; who wrote `auth` must know
  if (wrong !== undefined) tell(invalid(`auth gave a caller that cannot be used: ${wrong}.`));
  if (by === undefined || wrong !== undefined)
    throw new HttpError(401, 'Who calls is not known.', { 'www-authenticate': auth.challenge?.() ?? 'Bearer' });
  return { by: principal(by), assertion: auth.assertion ? auth.assertion(asked) : bearerToken(asked.headers.authorization) };
}
