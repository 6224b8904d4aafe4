/** All operations of Policy, and what a gateway needs of them. */
import type { Policy } from '../../../../ports/policy.ts';
import type { Bound } from '../bindings.ts';
import type { Operations, World } from '../call.ts';
import { refused } from '../codec/error.ts';
import type { Gateway } from '../gateway/resources.ts';
import { gatewayPolicy, type ToolsOf } from '../policy/enforcing.ts';
import { engineArn, engineOf } from '../policy/resources.ts';
import { policyOperations } from './policies.ts';
import { policyEngineOperations } from './policy-engines.ts';
import { policyGenerations } from './policy-generations.ts';

export interface PolicyService {
  operations: Operations;
  /** @throws AwsError `ValidationException` for an engine that is not there. */
  checkEngine(arn: string): void;
  /** What decides about the calls of a gateway, and what it lists; undefined for a gateway without a policy engine. */
  policyOf(gateway: Gateway): Policy | undefined;
  /** Goes on with what the server before this one had begun. */
  resume(): void;
  stop(): void;
}

export function policyService(world: World, bound: Bound, toolsOf: ToolsOf): PolicyService {
  const { operations, resume, stop } = policyGenerations(world, bound, toolsOf);
  return {
    resume,
    stop,
    operations: { ...policyEngineOperations(world), ...policyOperations(world, toolsOf), ...operations },
    checkEngine(arn) {
      const id = arn.split('/')[1] as string;
      const there = () => {
        try {
          return engineOf(world, id).goneAt === undefined && engineArn(world, id) === arn;
        } catch {
          return false;
        }
      };
      if (!there()) throw refused(`The policy engine ${arn} was not found.`);
    },
    policyOf: (gateway) => gatewayPolicy(world, gateway, toolsOf),
  };
}
