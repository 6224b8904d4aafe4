/** The JWTs of users: who they are, and the tokens themselves for exchanges, sealed until they expire. */
import { createHash } from 'node:crypto';
import type { World } from '../call.ts';

/** A user by the claims of a JWT. `hash`: of the bytes of this very token. */
export interface JwtUser {
  kind: 'jwt';
  issuer: string;
  subject: string;
  hash: string;
}

/** Why a token is not taken, for the log. It does not hold the token. */
export interface Wrong {
  readonly wrong: string;
}

interface Kept {
  sealed: string;
  /** When it expires, epoch milliseconds. */
  goneAt: number;
}

const KIND = 'user-token';
const about = (hash: string) => `the user token ${hash}`;
const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

export interface UserTokens {
  /** The user of a token that is well-formed and has not expired. It is kept until then. */
  read(token: string): JwtUser | Wrong;
  /** Undefined after it has expired. */
  kept(hash: string): string | undefined;
}

export function userTokens({ state, clock }: World): UserTokens {
  function keep(token: string, hash: string, goneAt: number): void {
    if (!state.get(KIND, hash)) state.put(KIND, hash, { sealed: state.sealing.seal(about(hash), token), goneAt } satisfies Kept);
  }
  return {
    read(token) {
      const [header, claims] = token.split('.').map(partOf);
      if (!header || !claims || token.split('.').length !== 3) return { wrong: 'The user token is not a JWT.' };
      const { iss, sub, exp, nbf } = claims;
      if (typeof iss !== 'string' || typeof sub !== 'string' || iss === '' || sub === '')
        return { wrong: 'The JWT has no iss, or no sub.' };
      const now = clock.now() / 1_000;
      if (typeof exp !== 'number') return { wrong: 'The JWT has no exp.' };
      if (exp <= now) return { wrong: `The JWT has expired: its exp is ${exp}, and the time of this server ${Math.floor(now)}.` };
      if (typeof nbf === 'number' && nbf > now) return { wrong: `The JWT is not valid before ${nbf}.` };
      const hash = hashOf(token);
      keep(token, hash, exp * 1_000);
      return { kind: 'jwt', issuer: iss, subject: sub, hash };
    },
    kept(hash) {
      const found = state.get<Kept>(KIND, hash);
      return found && state.sealing.open<string>(about(hash), found.sealed);
    },
  };
}

/** Header or claims of a JWT; undefined if it is not an object of JSON. */
function partOf(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(part, 'base64url')));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
