/** The caller's own token, which lives as long as one drive of a run and is written nowhere. */
import { invalid } from '../errors.ts';
import type { Assertion } from '../ports/identity.ts';
import { type Secrets, secretsIn } from '../secrets.ts';

/** What `run()` and `resume()` take: a token, or what kind it is too. */
export type AssertionOption = string | { type?: string; token: string };

/** @throws RondoError `CONFIG_INVALID`, which does not repeat what was given. */
export function assertionOf(given: AssertionOption | undefined, where: string): Assertion | undefined {
  if (given === undefined) return undefined;
  const { type = 'jwt', token } = typeof given === 'string' ? { token: given } : (given ?? {});
  if (typeof token === 'string' && token !== '' && typeof type === 'string' && type !== '') return { type, token };
  throw invalid(`${where}: assertion is the token of the caller: a text, or { type: 'jwt', token }.`);
}

/** From now on the run masks the token in all that is said, with and without the name of a scheme before it. */
export function maskAssertion(secrets: Secrets, assertion: Assertion | undefined): void {
  if (assertion) secrets.add([['assertion', assertion.token], ...secretsIn({ assertion: assertion.token })]);
}
