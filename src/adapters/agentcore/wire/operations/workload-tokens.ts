/** The tokens of workloads, without a user or for one. */
import type { Operations, World } from '../call.ts';
import { AwsError, because, invalidInput } from '../codec/error.ts';
import { workloadOf } from '../identity/resources.ts';
import type { UserTokens } from '../identity/user-tokens.ts';
import { newWorkloadToken, type User } from '../identity/workload-token.ts';

interface Named {
  workloadName: string;
}

export function workloadTokenOperations(world: World, userTokens: UserTokens): Operations {
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
    GetWorkloadAccessTokenForJWT(input: Named & { userToken: string }) {
      workloadOf(world, input.workloadName);
      const user = userTokens.read(input.userToken);
      if ('wrong' in user)
        throw because(invalidInput([{ name: 'userToken', message: 'Member must be a valid, unexpired JWT' }]), user.wrong);
      return tokenFor(input, user);
    },
    GetWorkloadAccessTokenForUserId: (input: Named & { userId: string }) => tokenFor(input, { kind: 'id', id: input.userId }),
  };
}
