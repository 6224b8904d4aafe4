import { invalid } from '../errors.ts';
import { checkOptions } from '../options.ts';
import type { Principal } from '../ports/principal.ts';
import type { Auth, AuthRequest } from './auth.ts';
import type { Signable, SigningKeys } from './sigv4.ts';
import { checkSignature, isSigned, mayBeSigned, SignatureError } from './sigv4-check.ts';

export interface SigV4Options<K extends SigningKeys = SigningKeys> {
  /** The keys that may sign. */
  keys: readonly K[];
  /** The name of the service that a signature is for. Default `bedrock-agentcore`. */
  service?: string;
  /** Makes the principal of a key. Default: its id is the access key id. */
  principal?: (keys: K) => Principal;
}

const OPTIONS = {
  keys: 'keys: [{ accessKeyId, secretAccessKey }]',
  service: "service: 'bedrock-agentcore'",
  principal: 'principal: ({ accessKeyId }) => ({ id: accessKeyId })',
} satisfies Record<keyof SigV4Options, string>;

/**
 * Authentication by AWS Signature Version 4, in headers or a presigned URL. The signature covers the body, so the body of a request with a known key
 * is read before it is answered, at most 6 MB.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function sigV4<K extends SigningKeys>(o: SigV4Options<K>): Auth {
  checkOptions(o, OPTIONS, 'sigV4()', { principal: 'function', service: 'text' });
  const { keys, service = 'bedrock-agentcore', principal = ({ accessKeyId }) => ({ id: accessKeyId }) } = o;
  if (!Array.isArray(keys) || keys.some((key) => !key?.accessKeyId || !key.secretAccessKey))
    throw invalid('sigV4() needs keys: a list of { accessKeyId, secretAccessKey, sessionToken? }.');
  const auth = async ({ method, url, headers, body }: AuthRequest): Promise<Principal | undefined> => {
    const { search } = new URL(url, 'http://localhost');
    const request: Signable = { method, path: url.split('?', 1)[0] ?? '/', query: new URLSearchParams(search), headers, body: '' };
    const now = Date.now();
    if (!isSigned(request) || !mayBeSigned(request, keys, now, service)) return undefined;
    try {
      return principal(checkSignature({ ...request, body: await body() }, keys, now, service).keys);
    } catch (error) {
      if (error instanceof SignatureError) return undefined;
      throw error;
    }
  };
  return Object.assign(auth, { challenge: () => `AWS4-HMAC-SHA256 Service="${service}"` });
}
