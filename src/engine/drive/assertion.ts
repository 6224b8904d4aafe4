/** The caller's own token. It exists only while a run is being driven, and is never stored. */
import { invalid } from '../../errors.ts';
import type { Assertion } from '../../ports/identity.ts';
import { type Secrets, secretsIn } from '../../secrets.ts';

/** The option of `run()` and `resume()`: a token, optionally with its type. */
export type AssertionOption = string | { type?: string; token: string };

/** @throws RondoError `CONFIG_INVALID`, without the given value in its message. */
export function assertionOf(given: AssertionOption | undefined, where: string): Assertion | undefined {
  if (given === undefined) return undefined;
  const { type = 'jwt', token } = typeof given === 'string' ? { token: given } : (given ?? {});
  if (typeof token === 'string' && token !== '' && typeof type === 'string' && type !== '') return { type, token };
  throw invalid(`${where}: assertion is the token of the caller: a text, or { type: 'jwt', token }.`);
}

/** Makes the run mask the token in all output, with and without a scheme such as `Bearer` before it. */
export function maskAssertion(secrets: Secrets, assertion: Assertion | undefined): void {
  if (assertion) secrets.add([['assertion', assertion.token], ...secretsIn({ assertion: assertion.token })]);
}
