/** All operations of Identity. */
import type { Operations, World } from '../call.ts';
import type { ProviderArns } from '../identity/resources.ts';
import { userTokens } from '../identity/user-tokens.ts';
import { apiKeyOperations } from './api-keys.ts';
import { tokenVaultOperations } from './token-vault.ts';
import { workloadOperations } from './workload-identities.ts';
import { workloadTokenOperations } from './workload-tokens.ts';

export interface IdentityOptions {
  /** The service in the ARNs of credential providers. Default `bedrock-agentcore`, without which they could not be tagged. */
  providerArns?: ProviderArns;
}

export function identityOperations(world: World, { providerArns = 'bedrock-agentcore' }: IdentityOptions): Operations {
  return {
    ...workloadOperations(world),
    ...workloadTokenOperations(world, userTokens(world)),
    ...apiKeyOperations(world, providerArns),
    ...tokenVaultOperations(world),
  };
}
