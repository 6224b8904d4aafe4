import type { Principal } from './principal.ts';

export interface CredentialRequest {
  provider: string;
  scopes?: readonly string[];
  flow?: 'api-key' | 'client' | 'user' | 'exchange';
}

/** Gets a credential for a tool, or the address where a person must consent first. */
export interface Identity {
  get(
    r: CredentialRequest & { by: Principal | undefined },
  ): Promise<{ token: string; expiresAt?: number } | { consentUrl: string; handle: string }>;
}
