/**
 * The names under which stores keep sessions. A store tells sessions apart by name and tenant; whose a session is, is part of the name:
 * one user's own, one that all of a tenant share, or the application's, which runs without a principal.
 */
import type { Principal } from '../ports/principal.ts';

export interface Session {
  session?: string | undefined;
  by?: Principal | undefined;
  /** It was begun for all of the tenant. */
  shared?: boolean | undefined;
}

const SHARED = '~s:';
const ESCAPED = '~a:';

export function sessionKey({ session, by, shared }: Session): string | undefined {
  if (session === undefined) return undefined;
  if (!by) return session.startsWith('~') ? `${ESCAPED}${session}` : session;
  return shared ? `${SHARED}${session}` : `~${by.id.length}:${by.id}:${session}`;
}

/** The session's id, as it was given. */
export function sessionId(key: string): string {
  if (!key.startsWith('~')) return key;
  if (key.startsWith(SHARED) || key.startsWith(ESCAPED)) return key.slice(SHARED.length);
  const colon = key.indexOf(':');
  return key.slice(colon + 1 + Number(key.slice(1, colon)) + 1);
}
