/** The workload token that the service passes to the program of a runtime. */
import type { World } from '../call.ts';
import { WORKLOAD, type Workload } from './resources.ts';
import { userTokens } from './user-tokens.ts';
import { newWorkloadToken } from './workload-token.ts';

/** @param user the caller's JWT, or the user that the caller named. @returns undefined without a user: then the program has no token. */
export function invocationToken(world: World, runtime: string, user: string | undefined, isJwt: boolean): string | undefined {
  const workload = world.state.get<Workload>(WORKLOAD, runtime);
  if (user === undefined || !workload) return undefined;
  if (!isJwt) return newWorkloadToken(world, workload, { kind: 'id', id: user });
  const read = userTokens(world).read(user);
  return 'wrong' in read ? undefined : newWorkloadToken(world, workload, read);
}
