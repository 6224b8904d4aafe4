/** Several identities as one. */
import { invalid, RondoError } from '../../errors.ts';
import { hint } from '../../options.ts';
import type { Identity } from '../../ports/identity.ts';
import { checkApart } from './address.ts';

/**
 * An identity for each provider, and `*` for all others: `identities({ aws: awsCredentials({ roleArn }), '*': localIdentity({ ... }) })`. A browser that
 * comes back from a consent is offered to each in turn, until one knows the consent.
 * @throws RondoError `CONFIG_INVALID`, also for a callback that several authorization servers share, and for a provider that none of them is for.
 */
export function identities(byProvider: Readonly<Record<string, Identity>>): Identity {
  const entries = typeof byProvider === 'object' && byProvider !== null ? Object.entries(byProvider) : [];
  if (entries.length === 0)
    throw invalid("identities() takes an identity for each provider: { aws: awsCredentials({ roleArn }), '*': identity }.");
  for (const [provider, identity] of entries)
    if (typeof identity?.get !== 'function') throw invalid(`identities(): "${provider}" has no method get, so it is not an identity.`);
  const all = new Map(entries);

  function of(provider: string): Identity {
    const found = all.get(provider) ?? all.get('*');
    if (found) return found;
    throw invalid(`identities(): there is none for the provider "${provider}". ${hint(provider, [...all.keys()])}`);
  }

  const returning = [...new Set(all.values())].filter(({ returned }) => returned);
  const returnsTo = returning.flatMap((identity) => identity.returnsTo ?? []);
  checkApart(returnsTo, 'identities()');
  return {
    async get(r) {
      return of(r.provider).get(r);
    },
    async complete(r) {
      await of(r.provider).complete?.(r);
    },
    ...(returning.length > 0 && {
      returnsTo,
      async returned(r) {
        for (const identity of returning) {
          try {
            return await (identity.returned as NonNullable<Identity['returned']>)(r);
          } catch (error) {
            if (!RondoError.is(error, 'CONSENT_NOT_FOUND')) throw error;
          }
        }
        throw new RondoError('CONSENT_NOT_FOUND', 'There is no such consent. Open the link that the assistant showed.');
      },
    }),
  };
}
