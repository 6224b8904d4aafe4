/** All operations of Gateway. */
import type { Operations, World } from '../call.ts';
import { gatewayRateLimitOperations } from './gateway-rate-limits.ts';
import { gatewayRuleOperations } from './gateway-rules.ts';
import { gatewayTargetOperations } from './gateway-targets.ts';
import { gatewayOperations } from './gateways.ts';

export interface GatewayService {
  operations: Operations;
}

export function gatewayService(world: World): GatewayService {
  const changed = () => undefined;
  return {
    operations: {
      ...gatewayOperations(world, { changed, checkEngine: () => undefined }),
      ...gatewayTargetOperations(world, { changed, looked: async () => undefined }),
      ...gatewayRuleOperations(world),
      ...gatewayRateLimitOperations(world, changed),
    },
  };
}
