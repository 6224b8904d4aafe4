/** Workload identities: the names under which agents get credentials. */
import type { Operations, World } from '../call.ts';
import { AwsError, refused } from '../codec/error.ts';
import { addWorkload, removeWorkload, WORKLOAD, type Workload, workloadArn, workloadOf } from '../identity/resources.ts';
import type { PageRequest } from '../state.ts';

interface Named {
  name: string;
}

export function workloadOperations(world: World): Operations {
  const { state, clock } = world;
  const date = () => new Date(clock.now());
  const told = ({ name, returnUrls }: Workload) => ({
    name,
    workloadIdentityArn: workloadArn(world, name),
    allowedResourceOauth2ReturnUrls: returnUrls,
  });
  const whole = (workload: Workload) => ({ ...told(workload), createdTime: workload.createdAt, lastUpdatedTime: workload.updatedAt });

  return {
    CreateWorkloadIdentity(input: Named & { allowedResourceOauth2ReturnUrls?: readonly string[]; tags?: Record<string, string> }) {
      const { name, allowedResourceOauth2ReturnUrls: returnUrls = [], tags = {} } = input;
      if (state.get(WORKLOAD, name)) throw refused(`A workload identity with the name ${name} exists already.`, 'ResourceConflict');
      return told(addWorkload(world, { name, returnUrls, tags }));
    },
    GetWorkloadIdentity: ({ name }: Named) => whole(workloadOf(world, name)),
    UpdateWorkloadIdentity({ name, allowedResourceOauth2ReturnUrls }: Named & { allowedResourceOauth2ReturnUrls?: readonly string[] }) {
      const before = workloadOf(world, name);
      const workload = { ...before, returnUrls: allowedResourceOauth2ReturnUrls ?? before.returnUrls, updatedAt: date() };
      state.put(WORKLOAD, name, workload);
      return whole(workload);
    },
    DeleteWorkloadIdentity({ name }: Named) {
      const { runtime } = workloadOf(world, name);
      if (runtime !== undefined)
        throw new AwsError('AccessDeniedException', `The workload identity ${name} is deleted with its runtime ${runtime}.`);
      removeWorkload(world, name);
      return {};
    },
    ListWorkloadIdentities(input: PageRequest) {
      const { items, nextToken } = state.page<Workload>(WORKLOAD, '', { ...input, maxResults: input.maxResults ?? 20 });
      const workloadIdentities = items.map(({ name }) => ({ name, workloadIdentityArn: workloadArn(world, name) }));
      return { workloadIdentities, nextToken };
    },
  };
}
