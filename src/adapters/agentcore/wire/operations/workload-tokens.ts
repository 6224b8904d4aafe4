/** The tokens of workloads, without a user or for one. */
import type { Operations, World } from '../call.ts';
import { AwsError, because, invalidInput } from '../codec/error.ts';
import type { Signed } from '../identity/issuers.ts';
import { workloadOf } from '../identity/resources.ts';
import type { UserTokens } from '../identity/user-tokens.ts';
import { newWorkloadToken, type User } from '../identity/workload-token.ts';

interface Named {
  workloadName: string;
}

/** @param signed checks who signed the JWT of a user. Without it any JWT is taken by its claims. */
export function workloadTokenOperations(world: World, userTokens: UserTokens, signed: Signed | undefined): Operations {
  /** @throws AwsError */
  function tokenFor({ workloadName }: Named, user: User | undefined) {
    const workload = workloadOf(world, workloadName);
    if (workload.runtime !== undefined)
      throw because(
        new AwsError('AccessDeniedException', `The tokens of the workload identity ${workloadName} are not for its callers.`),
        'The workload belongs to a runtime. The service passes its token to the program, in the header of each invocation.',
      );
    return { workloadAccessToken: newWorkloadToken(world, workload, user) };
  }
  return {
    GetWorkloadAccessToken: (input: Named) => tokenFor(input, undefined),
    async GetWorkloadAccessTokenForJWT(input: Named & { userToken: string }) {
      workloadOf(world, input.workloadName);
      const user = userTokens.read(input.userToken);
      const wrong = 'wrong' in user ? user.wrong : await signed?.(input.userToken);
      if ('wrong' in user || wrong !== undefined)
        throw because(invalidInput([{ name: 'userToken', message: 'Member must be a valid, unexpired JWT' }]), wrong as string);
      return tokenFor(input, user);
    },
    GetWorkloadAccessTokenForUserId: (input: Named & { userId: string }) => tokenFor(input, { kind: 'id', id: input.userId }),
  };
}
