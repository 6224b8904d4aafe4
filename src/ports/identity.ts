import type { Principal } from './principal.ts';

/** A credential that a tool declares. The grants of the agents on the path bound it. */
export interface CredentialRequest {
  /** The name by which the identity, and the grants, know it. */
  provider: string;
  /** Absent: none are named, and the identity or the provider decides. */
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
  /** As the application named it. */
  session?: string;
  /** The name of the agent that calls the tool. */
  agent: string;
  tool: string;
  /** Aborted after 30 seconds, or when the run is halted. */
  signal: AbortSignal;
}

/** A credential for one call. The run masks it in all output, and no entry has it. */
export interface Token {
  /** Not empty. `ctx.credentials` of the tool gets it as it is. */
  token: string;
  /** Parts of the token that are secrets by themselves, such as the members of a JSON. They are masked too. */
  secrets?: readonly string[];
  /** Epoch milliseconds. A token that expires within 30 seconds is renewed before an attempt. Default: it does not expire. */
  expiresAt?: number;
  /** How it was obtained, if the tool did not say. For the audit trail. */
  flow?: NonNullable<CredentialRequest['flow']>;
  /** True if a refresh token was used for this request. For the audit trail. */
  refreshed?: boolean;
}

/** A person must consent first. After the approval, `complete` gets `handle`. The journal stores it, so it must not be a secret. */
export interface ConsentNeeded {
  /** Where the person consents. It is part of the approval, so it is shown and journaled. */
  consentUrl: string;
  handle: string;
}

/** The browser of a user who comes back from a consent. */
export interface ConsentReturn {
  /** The whole URL that it came back to. */
  url: string;
  /** Who is signed in at this browser. */
  by: Principal;
  /** The token that they are signed in with, if there is one. */
  assertion?: Assertion;
  signal: AbortSignal;
}

/** A consent that has ended. Its run and handle identify the approval. */
export interface ConsentReturned {
  runId: string;
  handle: string;
  provider: string;
  /** `declined`: the person said no, so the approval is to be rejected. */
  outcome: 'granted' | 'declined';
}

/** Where browsers come back to from these authorization servers. `{provider}` stands for a segment that each of them has for itself. */
export interface ConsentAddress {
  readonly callback: string;
  readonly issuers: readonly string[];
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
  /**
   * Ends the consent that a browser comes back from, for the user who began it: their id or, where it began with a token, the very same
   * token. It works in any process. `consentCallback()` of `rondo/identity` calls it, decides the approval, and resumes the run.
   * @throws RondoError `CONSENT_NOT_FOUND`, `CONSENT_MISMATCH` for another user or another token, `CONSENT_USED`, `CONSENT_EXPIRED`,
   *   `RETURN_URL_REFUSED`, `PROVIDER_UNAVAILABLE`, `PROVIDER_REFUSED` or `PROVIDER_ANSWER_INVALID`. `details` of `CONSENT_EXPIRED`
   *   are `{ runId, handle }`, so that the user can be asked again, and of `CONSENT_USED` `{ runId, handle, outcome }`.
   */
  returned?(r: ConsentReturn): Promise<ConsentReturned>;
  /** The addresses that consents return to. `identities()` of `rondo/identity` refuses one that several authorization servers share. */
  readonly returnsTo?: readonly ConsentAddress[];
}
