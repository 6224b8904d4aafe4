import type { IncomingHttpHeaders } from 'node:http';
import { invalid } from '../errors.ts';
import { type Principal, principal, principalProblem } from '../ports/principal.ts';
import { isLoopback } from './addresses.ts';
import { HttpError } from './errors.ts';

export interface AuthRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** By names in lower case. */
  readonly headers: IncomingHttpHeaders;
}

/** Who a request comes from; undefined for an unknown caller, who gets 401. What it throws is answered with 503. */
export interface Auth {
  (request: AuthRequest): Principal | undefined | Promise<Principal | undefined>;
  /** How callers show who they are, for servers that say so, such as in an A2A card. */
  readonly scheme?: AuthScheme;
}

export interface AuthScheme {
  readonly type: 'bearer';
  readonly oauth2?: OAuth2;
}

/** Where a caller gets its token. */
export interface OAuth2 {
  tokenUrl: string;
  /** With it, the flow is authorizationCode; without, clientCredentials. */
  authorizationUrl?: string;
  /** What each scope is for, by its name. */
  scopes?: Readonly<Record<string, string>>;
}

export interface BearerOptions {
  /** Who a token stands for. */
  verify: (token: string) => Principal | undefined | Promise<Principal | undefined>;
  /** Where tokens come from, for servers that say so. */
  oauth2?: OAuth2;
}

/** Longer tokens are not looked at. */
const LONGEST_TOKEN = 16_384;

/** Callers with `Authorization: Bearer ...`. @throws RondoError `CONFIG_INVALID`. */
export function bearer({ verify, oauth2 }: BearerOptions): Auth {
  if (typeof verify !== 'function') throw invalid('bearer() needs verify: a function from a token to a principal, such as jwt({ ... }).');
  const auth = ({ headers }: AuthRequest) => {
    const token = /^Bearer +([\w\-.~+/]+=*)$/i.exec(headers.authorization ?? '')?.[1];
    return token === undefined || token.length > LONGEST_TOKEN ? undefined : verify(token);
  };
  const scheme: AuthScheme = { type: 'bearer', ...(oauth2 && { oauth2 }) };
  return Object.assign(auth, { scheme });
}

/** Who calls a server without authentication. */
const ANONYMOUS: Principal = { id: 'anonymous' };

/** Left out: only this machine may call, as `anonymous`. `'none'`: any caller is `anonymous`. */
export type AuthOption = Auth | 'none' | undefined;

/**
 * Refuses callers of other hosts where a server has no authentication: a page on the web may have a name of its own resolve to this machine.
 * @throws HttpError 403.
 */
export function checkHost(request: Request, auth: AuthOption): void {
  if (auth === undefined && !isLoopback(new URL(request.url).hostname)) throw new HttpError(403, 'Not for this host.');
}

/** @throws RondoError `CONFIG_INVALID` where a server without authentication would listen to other machines. */
export function checkOpen(host: string, auth: AuthOption, where: string): void {
  if (auth === undefined && !isLoopback(host))
    throw invalid(`${where}: on ${host} any machine could call. Pass auth, or auth: 'none' if that is meant.`);
}

/** Who a request comes from. `tell` gets what authentication threw. @throws HttpError 401 for an unknown caller, 503 where it cannot be known now. */
export async function authenticate(request: Request, auth: AuthOption, tell: (error: unknown) => void): Promise<Principal> {
  if (typeof auth !== 'function') return ANONYMOUS;
  const { pathname, search } = new URL(request.url);
  let by: Principal | undefined;
  try {
    by = await auth({ method: request.method, url: pathname + search, headers: Object.fromEntries(request.headers) });
  } catch (error) {
    tell(error);
    throw new HttpError(503, 'Callers cannot be authenticated now.');
  }
  if (by === undefined || principalProblem(by)) throw new HttpError(401, 'Who calls is not known.', { 'www-authenticate': 'Bearer' });
  return principal(by);
}
