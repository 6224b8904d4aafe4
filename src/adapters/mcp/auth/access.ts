/** What an authorization of mcpTools() is: a token for requests, and what happens when the server refuses it. */
import { ToolError } from '../../../errors.ts';
import type { ConsentNeeded } from '../../../ports/identity.ts';
import type { SourceCaller } from '../../../ports/tool.ts';
import { loadAuth } from '../sdk.ts';
import { Elsewhere } from './client.ts';

/** How `mcpTools()` is authorized at a server over HTTP: `userGrant()`, `clientGrant()` or `assertionGrant()`. */
export interface McpAuth {
  /** For `mcpTools()`. */
  access(at: Protected): Access;
  /** Each user has a token of their own. */
  readonly ofUsers?: true;
}

/** A server, as one caller sees it. */
export interface Protected {
  server: URL;
  /** In messages. */
  name: string;
  caller: SourceCaller;
}

export interface Access {
  /** The token for the next request; undefined if there is none yet. */
  token(): Promise<string | undefined>;
  /**
   * The server refused a request. Resolves if it may be sent again, with the token that there is now.
   * @param used the token that it was sent with.
   * @throws Unconsented if a person must consent; ToolError `MCP_UNAUTHORIZED`.
   */
  refused(challenge: Challenge, used: string | undefined): Promise<void>;
  /** A request with this token was let through. */
  accepted(token: string): void | Promise<void>;
  /** Begins the consent that `Unconsented` asks for. */
  begin?(challenge: Challenge, occasion: Asker): Promise<ConsentNeeded>;
}

/** The call that waits for a consent. */
export interface Asker {
  runId: string;
  tool: string;
  signal: AbortSignal;
}

/** What a server says when it refuses a request. */
export interface Challenge {
  /** `more`: the token is good, and lacks scopes. */
  kind: 'token' | 'more';
  scope?: string | undefined;
  metadata?: URL | undefined;
}

/** @returns undefined for any other answer. */
export async function challengeOf(response: Response): Promise<Challenge | undefined> {
  if (response.status !== 401 && response.status !== 403) return undefined;
  const { scope, resourceMetadataUrl, error } = (await loadAuth()).extractWWWAuthenticateParams(response);
  if (response.status === 403 && error !== 'insufficient_scope') return undefined;
  return { kind: response.status === 401 ? 'token' : 'more', scope, metadata: resourceMetadataUrl };
}

/** A person must consent before the server answers. Nothing ran. */
export class Unconsented extends ToolError {
  readonly challenge: Challenge;
  constructor(name: string, challenge: Challenge) {
    super('CONSENT_REQUIRED', `MCP server "${name}" needs the consent of a person.`, { outcome: 'not-run' });
    this.challenge = challenge;
  }
}

/** An authorization that cannot be had. Its message holds no text of a server, which may have a secret in it. */
export function unauthorized(name: string, why: string, retryable = false): ToolError {
  return new ToolError('MCP_UNAUTHORIZED', `MCP server "${name}" gave no access: ${why}.`, { outcome: 'not-run', retryable });
}

/** The error codes of OAuth are short words. */
const WORD = /^[a-z][a-z0-9_.-]{0,63}$/i;

/** What the OAuth client of the SDK, or its requests, threw. */
export function explained(name: string, error: unknown): Error {
  if (ToolError.is(error) && (error.code === 'MCP_UNAUTHORIZED' || error.code === 'CONSENT_REQUIRED')) return error;
  const { code, name: kind, cause } = (error ?? {}) as { code?: unknown; name?: string; cause?: { code?: unknown } };
  if (code === 'ADDRESS_REFUSED')
    return unauthorized(name, 'its authorization server is at an address that is not public; allow it with the option fetch');
  if (error instanceof Elsewhere || kind === 'AuthorizationServerMismatchError')
    return unauthorized(name, 'the client belongs to another authorization server than it names now');
  if (kind === 'IssuerMismatchError') return unauthorized(name, 'its authorization server names itself otherwise than it was found');
  if (kind === 'TimeoutError' || kind === 'AbortError') return unauthorized(name, 'its authorization server did not answer in time', true);
  if (kind === 'OAuthError' || kind === 'OAuthClientFlowError') {
    const word = typeof code === 'string' && WORD.test(code) ? code : 'an error without a name';
    if (['server_error', 'temporarily_unavailable', 'slow_down', 'too_many_requests'].includes(word))
      return unauthorized(name, `its authorization server cannot answer now (${word})`, true);
    return unauthorized(name, `its authorization server refused (${word}). Check the client and its scopes`);
  }
  if (kind === 'RondoError') return error as Error;
  if (error instanceof TypeError || typeof cause?.code === 'string')
    return unauthorized(name, 'its authorization server could not be reached', true);
  return unauthorized(name, 'it names no authorization server that could be used. Check its metadata, and the client');
}
