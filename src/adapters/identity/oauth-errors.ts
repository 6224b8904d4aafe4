/** Errors of authorization servers as RondoErrors. They hold no text of a server, which may have a secret in it, and no cause. */
import { detailOf, RondoError, ToolError } from '../../errors.ts';
import { TooLong } from './bounded-fetch.ts';

/** The error codes of OAuth are short words. */
const WORD = /^[a-z][a-z0-9_.-]{0,63}$/i;

const unavailable = (provider: string, why: string) =>
  new RondoError('PROVIDER_UNAVAILABLE', `The authorization server of ${provider} ${why}. Try again later.`, { details: { provider } });

const refused = (provider: string, error: string) =>
  new RondoError(
    'PROVIDER_REFUSED',
    `The authorization server of ${provider} refused the request (${error}). Check the client, its scopes, and what it is allowed there.`,
    { details: { provider, error } },
  );

export const invalidAnswer = (provider: string, why: string) =>
  new RondoError(
    'PROVIDER_ANSWER_INVALID',
    `The authorization server of ${provider} answered what is not OAuth (${why}). Check its discovery URL and endpoints.`,
    { details: { provider, reason: why } },
  );

/** Addresses that the application names itself are called in any case. */
const inside = (provider: string) =>
  new RondoError(
    'PROVIDER_ANSWER_INVALID',
    `The discovery document of ${provider} names an endpoint at an address that is not public, and it was not called. If that is meant, give endpoints in place of discovery, or a fetch that reaches it.`,
    { details: { provider, reason: 'an address that is not public' } },
  );

/** The word of OAuth for why a server refused; undefined for any other error. */
export const refusal = (error: unknown): string | undefined => detailOf(error, 'PROVIDER_REFUSED', 'error');

/** What a refresh token, or a token to exchange, was granted for is over: as RFC 6749 says it, and as GitHub does. */
const OVER: readonly unknown[] = ['invalid_grant', 'bad_refresh_token'];
export const isGrantOver = (error: unknown): boolean => OVER.includes(refusal(error));

const LATER = ['temporarily_unavailable', 'server_error', 'slow_down'];

/** What openid-client or fetch threw. */
export function explained(provider: string, error: unknown): RondoError {
  if (RondoError.is(error)) return error;
  // what was thrown before a request was sent
  const inner = (error as Error | undefined)?.cause;
  if (RondoError.is(inner)) return inner;
  if ([error, inner].some((one) => one instanceof ToolError && one.code === 'ADDRESS_REFUSED')) return inside(provider);
  if (inner instanceof TooLong) return invalidAnswer(provider, 'too long');
  const { code, error: word, status, cause } = (error ?? {}) as { code?: unknown; error?: unknown; status?: unknown; cause?: unknown };
  const answered = typeof status === 'number' ? status : cause instanceof Response ? cause.status : undefined;
  if (typeof word === 'string') {
    const said = WORD.test(word) ? word : 'an error without a name';
    return LATER.includes(word) || (answered ?? 0) >= 500 ? unavailable(provider, `cannot answer now (${said})`) : refused(provider, said);
  }
  if (answered !== undefined && (answered >= 500 || answered === 429)) return unavailable(provider, `answered with status ${answered}`);
  if (code === 'OAUTH_TIMEOUT' || code === 'OAUTH_ABORT') return unavailable(provider, 'did not answer in time');
  if (code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE') return refused(provider, 'invalid_client');
  if (typeof code === 'string' && code.startsWith('OAUTH_'))
    return invalidAnswer(provider, answered !== undefined && answered >= 300 ? `status ${answered}` : code.slice(6).toLowerCase());
  return unavailable(provider, 'could not be reached');
}
