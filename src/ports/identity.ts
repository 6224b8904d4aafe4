import type { Principal } from './principal.ts';

export interface CredentialRequest {
  provider: string;
  scopes?: readonly string[];
  flow?: 'api-key' | 'client' | 'user' | 'exchange';
}

/** The caller's own token, as its authentication was given it. It lives as long as this drive of the run, and is written nowhere. */
export interface Assertion {
  /** What kind of token it is. Default `jwt`. */
  type: string;
  token: string;
}

/** Where a credential is needed, and for whom. */
export interface Occasion {
  /** On whose behalf the run was started; absent for a run of the application. */
  by: Principal | undefined;
  /** What the caller of `run()` or `resume()` gave with it; absent where that was nothing, as after a crash. */
  assertion?: Assertion;
  runId: string;
  session?: string;
  /** Name of the agent whose tool it is. */
  agent: string;
  tool: string;
  /** Aborted after 30 seconds, or when the run is halted. */
  signal: AbortSignal;
}

export interface Token {
  token: string;
  /** Epoch milliseconds. A token that ends within 30 seconds is asked for again before an attempt begins. Default: it does not end. */
  expiresAt?: number;
}

/** A person must consent first. `handle`: given to `complete` once that was approved. It is kept in the journal, so it is not a secret. */
export interface ConsentNeeded {
  consentUrl: string;
  handle: string;
}

/** Gets a credential for a tool, or the address where a person must consent first. See docs/identity.md. */
export interface Identity {
  /** Called at each start of a call. What it throws ends the call, not run, with `CREDENTIALS_UNAVAILABLE`. */
  get(r: CredentialRequest & Occasion): Promise<Token | ConsentNeeded>;
  /**
   * Completes a consent that a person approved, before `get` is asked again. What it throws ends the call, not run. It may be called
   * again with the same handle, after a crash.
   */
  complete?(r: CredentialRequest & Occasion & { handle: string }): Promise<void>;
}
