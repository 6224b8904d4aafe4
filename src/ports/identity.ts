import type { Principal } from './principal.ts';

export interface CredentialRequest {
  provider: string;
  scopes?: readonly string[];
  /**
   * `api-key`: a key of the application. `client`: a token of the application (client credentials). `user`: a token that the user consented to
   * (authorization code). `exchange`: a token for the user, got with the caller's own (token exchange, JWT bearer).
   */
  flow?: 'api-key' | 'client' | 'user' | 'exchange';
  /** What the token is for, as URIs (RFC 8707). */
  resources?: readonly string[];
  /** Who the token is for, by name (RFC 8693). */
  audiences?: readonly string[];
  /** True: the user consents again, whatever is stored. Once per call: after the consent the stored token is used. */
  force?: boolean;
}

/** The caller's own token, from its authentication. It is kept only while the run is being driven, and never stored. */
export interface Assertion {
  /** The type of the token. Default `jwt`. */
  type: string;
  token: string;
}

/** The call that needs a credential. */
export interface Occasion {
  /** The principal of the run; undefined for a run of the application. */
  by: Principal | undefined;
  /** The token that was passed to `run()` or `resume()`. Absent if there was none, for example after a crash. */
  assertion?: Assertion;
  runId: string;
  session?: string;
  /** The name of the agent that calls the tool. */
  agent: string;
  tool: string;
  /** Aborted after 30 seconds, or when the run is halted. */
  signal: AbortSignal;
}

export interface Token {
  token: string;
  /** Epoch milliseconds. A token that expires within 30 seconds is renewed before an attempt. Default: it does not expire. */
  expiresAt?: number;
}

/** A person must consent first. `handle` is passed to `complete` after the approval. It is journaled, so it must not be a secret. */
export interface ConsentNeeded {
  consentUrl: string;
  handle: string;
}

/** Gets credentials for tools, or the URL where a person must consent first. See docs/identity.md. */
export interface Identity {
  /** Called at each start of a call. If it throws, the call does not run and ends with `CREDENTIALS_UNAVAILABLE`. */
  get(r: CredentialRequest & Occasion): Promise<Token | ConsentNeeded>;
  /**
   * Completes a consent that a person approved. `get` is called again after it. If it throws, the call does not run. After a crash it may
   * be called again with the same handle.
   */
  complete?(r: CredentialRequest & Occasion & { handle: string }): Promise<void>;
}
