/** Whether the JWT of a user was signed by an issuer that this server was told of. */
import { invalid } from '../../../../errors.ts';
import { ALGORITHMS, issuerAt } from '../../../../server/issuer.ts';
import { isBadToken, isTrusted, jose } from '../../../../server/jose.ts';
import type { World } from '../call.ts';
import { AwsError, because } from '../codec/error.ts';

/** Undefined: it was. Else why not, for the log. @throws AwsError `InternalServerException` where the keys of its issuer cannot be had. */
export type Signed = (token: string) => Promise<string | undefined>;

const WHERE = 'startAgentCore({ identity: { issuers } })';
const SUFFIX = '/.well-known/openid-configuration';

/** @param own the discovery URL of the authorization server of this server, which is known once it listens. @throws RondoError `CONFIG_INVALID` */
export function signedBy({ clock }: World, issuers: readonly string[] | undefined, own: () => string): Signed | undefined {
  if (issuers === undefined) return undefined;
  const isUrl = (url: unknown) => typeof url === 'string' && url.endsWith(SUFFIX) && URL.canParse(url) && isTrusted(new URL(url));
  if (!Array.isArray(issuers) || !issuers.every((one) => one === 'local' || isUrl(one)))
    throw invalid(`${WHERE} is a list of discovery URLs over https, which end with ${SUFFIX}, and 'local'.`);
  const known = new Map<string, ReturnType<typeof issuerAt>>();
  const at = (url: string) => {
    const found = known.get(url) ?? issuerAt(url);
    known.set(url, found);
    return found();
  };

  return async (token) => {
    const library = await jose();
    const { iss } = library.decodeJwt(token);
    // one that cannot be asked may not be the one of this token
    let unasked: unknown;
    for (const one of issuers) {
      try {
        const { issuer, keys } = await at(one === 'local' ? own() : one);
        if (issuer !== iss) continue;
        await library.jwtVerify(token, keys, { issuer, algorithms: ALGORITHMS, currentDate: new Date(clock.now()) });
        return undefined;
      } catch (error) {
        if (isBadToken(library, error)) return `The JWT is not one of ${iss}: ${error.message}.`;
        unasked = error;
      }
    }
    if (unasked === undefined) return 'The issuer of the JWT is none of those that this server was told of.';
    throw because(new AwsError('InternalServerException', 'The issuer of the user token could not be asked.'), String(unasked));
  };
}
