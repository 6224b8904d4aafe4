/** An issuer of JWTs and its keys, by its discovery document. Apart from what users declare, so that their types need no package. */
import { publicFetch } from './egress.ts';
import { AFTER_FAILURE, issuerFailed, isTrusted, jose, type Keys, keysAt } from './jose.ts';

/** Asymmetric ones only: with a symmetric one, the public key could be used as the secret of a forged token. */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

/** Milliseconds for which a discovery document is used, and within which it must arrive. */
const FRESH = 600_000;
const TIMEOUT = 5_000;
/** Bytes of a discovery document, and of a key set. Any caller can have them fetched, by a token that is none. */
const MOST = 1_000_000;

interface Issuer {
  issuer: string;
  keys: Keys;
}

/** For discovery documents and key sets. @param allow origins that are called although they are not public. */
export const issuerFetch = (allow: readonly string[]): typeof fetch => publicFetch({ allow, timeout: TIMEOUT, maxBytes: MOST });

/** An issuer and its keys by its discovery document, fetched when they are first needed. @param allow more origins that may be called. */
export const issuerAt = (discoveryUrl: string, allow: readonly string[] = []): (() => Promise<Issuer>) => {
  const fetched = issuerFetch([new URL(discoveryUrl).origin, ...allow]);
  let known: { uri: string; keys: Keys } | undefined;
  // a new document does not make its keys unknown
  const keysOf = async (uri: string) => {
    if (known?.uri !== uri) known = { uri, keys: keysAt(await jose(), new URL(uri), fetched) };
    return known.keys;
  };
  return cached(async () => {
    const { issuer, uri } = await discover(discoveryUrl, fetched);
    return { issuer, keys: await keysOf(uri) };
  });
};

/** One fetch at a time. What failed is fetched again; a document that is old is used while a new one cannot be had. */
function cached<T>(fetched: () => Promise<T>): () => Promise<T> {
  let known: { value: T; until: number } | undefined;
  let coming: Promise<T> | undefined;
  return () => {
    if (known && performance.now() < known.until) return Promise.resolve(known.value);
    coming ??= fetched()
      .then((value) => {
        known = { value, until: performance.now() + FRESH };
        return value;
      })
      .catch((error) => {
        if (!known) throw error;
        known = { ...known, until: performance.now() + AFTER_FAILURE };
        return known.value;
      })
      .finally(() => {
        coming = undefined;
      });
    return coming;
  };
}

/** The address of the keys is the document's word, so they are fetched as what comes from outside. @throws RondoError, see `issuerFailed` */
async function discover(url: string, fetched: typeof fetch): Promise<{ issuer: string; uri: string }> {
  const failed = (why: string, cause?: unknown) => issuerFailed(`The discovery document ${url}`, why, cause);
  const response = await fetched(url, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT),
  }).catch((cause: unknown) => {
    throw failed('could not be had', cause);
  });
  if (!response.ok) throw failed(`was answered with HTTP ${response.status}`);
  const document: unknown = await response.json().catch((cause: unknown) => {
    throw failed('is not JSON, or did not come to its end', cause);
  });
  const { issuer, jwks_uri: uri } = (document ?? {}) as { [k: string]: unknown };
  if (typeof issuer !== 'string' || issuer === '') throw failed('names no issuer');
  if (typeof uri !== 'string' || !URL.canParse(uri) || !isTrusted(new URL(uri))) throw failed('names no jwks_uri over https');
  return { issuer, uri };
}
