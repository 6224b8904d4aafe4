/**
 * Keys of sessions in a store. A store compares key and tenant only, so the key contains the owner: `~<length>:<user>:<id>` for a session of
 * one user, `~s:<id>` for one that the tenant shares, and the plain id (or `~a:<id>`, if that begins with `~`) for one without a principal.
 */
import type { Principal } from '../ports/principal.ts';

/** A session as the application names it. */
export interface Session {
  /** Undefined: the run has none. */
  session?: string | undefined;
  /** Who started the run, and owns the session unless it is shared. Undefined: the application. */
  by?: Principal | undefined;
  /** All principals of the tenant may continue it. */
  shared?: boolean | undefined;
}

const SHARED = '~s:';
const ESCAPED = '~a:';

/** The key of a session; undefined for a run without one. */
export function sessionKey({ session, by, shared }: Session): string | undefined {
  if (session === undefined) return undefined;
  if (!by) return session.startsWith('~') ? `${ESCAPED}${session}` : session;
  return shared ? `${SHARED}${session}` : `~${by.id.length}:${by.id}:${session}`;
}

/** The id that the caller gave, from a key. */
export function sessionId(key: string): string {
  if (!key.startsWith('~')) return key;
  if (key.startsWith(SHARED) || key.startsWith(ESCAPED)) return key.slice(SHARED.length);
  const colon = key.indexOf(':');
  return key.slice(colon + 1 + Number(key.slice(1, colon)) + 1);
}
