/** Names of principals and sessions as those of actors and sessions, in what AgentCore allows. Two that differ never have the same. */
import { invalid } from '../../../errors.ts';
import { digest, sha256 } from '../../../journal/canonical.ts';
import { type Principal, principalProblem } from '../../../ports/principal.ts';

/** Most characters of AgentCore. */
const LONGEST = { actor: 255, session: 100 };

/** Letters, digits and `-` stay, the bytes of the rest are `_` and two hexadecimal digits: so `__` is in none. */
const escaped = (text: string) =>
  text.replace(/[^a-zA-Z0-9-]/gu, (char) => [...Buffer.from(char)].map((byte) => `_${byte.toString(16).padStart(2, '0')}`).join(''));

/**
 * `u-ana`, and with a tenant `t-acme__ana`. A `/` is escaped, so that no name adds a segment to a namespace; a name that is too long is a hash.
 * @throws RondoError `CONFIG_INVALID` for what is not a principal.
 */
export function actorOf(by: Principal): string {
  const problem = principalProblem(by);
  if (problem) throw invalid(`by: ${problem}.`);
  const { id, tenant } = by;
  const actor = tenant === undefined ? `u-${escaped(id)}` : `t-${escaped(tenant)}__${escaped(id)}`;
  return actor.length <= LONGEST.actor ? actor : `h-${digest([tenant ?? null, id])}`;
}

const HASHED = /^h-[0-9a-f]{64}$/;

/** The name as it is, if AgentCore allows it; else a hash. */
export const sessionOf = (session: string): string =>
  session.length <= LONGEST.session && /^[a-zA-Z0-9][a-zA-Z0-9_-]*$/.test(session) && !HASHED.test(session)
    ? session
    : `h-${sha256(session)}`;

/** The SHA-256 of the name of a session, from what `sessionOf` made of it. */
export const digestOf = (stored: string): string => (HASHED.test(stored) ? stored.slice(2) : sha256(stored));
