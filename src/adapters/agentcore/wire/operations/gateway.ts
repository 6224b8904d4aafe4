/** All operations of Gateway. */
import type { Operations, World } from '../call.ts';
import { gatewayRateLimitOperations } from './gateway-rate-limits.ts';
import { gatewayRuleOperations } from './gateway-rules.ts';
import { gatewayTargetOperations } from './gateway-targets.ts';
import { gatewayOperations } from './gateways.ts';

export interface GatewayService {
  operations: Operations;
}

/** @param checkEngine throws AwsError for a policy engine that is not there. */
export function gatewayService(world: World, checkEngine: (arn: string) => void): GatewayService {
  const changed = () => undefined;
  return {
    operations: {
      ...gatewayOperations(world, { changed, checkEngine }),
      ...gatewayTargetOperations(world, { changed, looked: async () => undefined }),
      ...gatewayRuleOperations(world),
      ...gatewayRateLimitOperations(world, changed),
    },
  };
}
