/** Workload access tokens: which workload, and for which user. Opaque to others, and kept nowhere. */
import type { World } from '../call.ts';
import { AwsError, because } from '../codec/error.ts';
import { type OfWorkload, type Workload, workloadIn } from './resources.ts';
import type { JwtUser } from './user-tokens.ts';

/** The user that a workload acts for, and what said so. */
export type User = JwtUser | { kind: 'id'; id: string };

export interface WorkloadToken extends OfWorkload {
  user: User | undefined;
  /** Epoch milliseconds. */
  expiresAt: number;
}

const ABOUT = 'a workload access token';
/** Milliseconds. */
const LIFETIME = 3_600_000;

export function newWorkloadToken({ state, clock }: World, { name, uid }: Workload, user: User | undefined): string {
  const token: WorkloadToken = { workload: name, uid, user, expiresAt: clock.now() + LIFETIME };
  return state.sealing.seal(ABOUT, token);
}

/** @throws AwsError `UnauthorizedException`. */
export function openWorkloadToken(world: World, text: string): WorkloadToken {
  const { state, clock } = world;
  const invalid = (why: string) => because(new AwsError('UnauthorizedException', 'The workload access token is invalid or expired.'), why);
  const token = state.sealing.open<WorkloadToken>(ABOUT, text);
  if (!token) throw invalid('The workload token was not issued by this server, or was changed.');
  if (clock.now() >= token.expiresAt) throw invalid(`The workload token is older than ${LIFETIME / 60_000} minutes.`);
  if (!workloadIn(world, token)) throw invalid(`The workload ${token.workload} of the token was deleted.`);
  return token;
}

/** Who a token is for, as one text. Users of different kinds, or of different issuers, are never the same. */
export function userKey(user: User): string {
  return JSON.stringify(user.kind === 'jwt' ? ['jwt', user.issuer, user.subject] : ['id', user.id]);
}
