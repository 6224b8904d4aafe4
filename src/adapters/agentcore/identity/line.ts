/** Calls to AgentCore Identity by the official client, and what its errors mean here. */

import type { BedrockAgentCoreClient } from '@aws-sdk/client-bedrock-agentcore';
import { type ErrorCode, invalid, RondoError } from '../../../errors.ts';
import { lazy } from '../../../flight.ts';
import type { JsonObject } from '../../../json.ts';
import { classify } from '../../../reliability/classify.ts';
import { fullJitter } from '../../../reliability/retry.ts';
import type { AgentCoreClient } from '../client.ts';

export type Sdk = typeof import('@aws-sdk/client-bedrock-agentcore');

export interface Line {
  /**
   * Sends a request, and again after a throttle, a failure of the service or of the network: three times in all.
   * @param what for messages, such as `the provider "github"`.
   * @throws RondoError, see `failureOf`.
   */
  ask<T>(
    what: string,
    signal: AbortSignal,
    send: (sdk: Sdk, client: BedrockAgentCoreClient, abort: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T>;
  /** The same, and again only where it is known that nothing was done. */
  once: Line['ask'];
}

export interface LineOptions {
  region?: string | undefined;
  client?: AgentCoreClient | undefined;
  /** The function that needs it, in messages. */
  where?: string;
}

const ATTEMPTS = 3;
const BACKOFF = { initialDelay: 200, maxDelay: 5_000 };

export function identityLine({ region, client: given, where = 'agentcoreIdentity()' }: LineOptions): Line {
  /** Made at the first call. @throws RondoError `CONFIG_INVALID` without the package. */
  const loaded = lazy(() =>
    import('@aws-sdk/client-bedrock-agentcore').then(
      // its own retries would not tell a lost answer from a refusal
      (sdk) => ({
        sdk,
        client:
          (given as BedrockAgentCoreClient | undefined) ??
          new sdk.BedrockAgentCoreClient({ maxAttempts: 1, ...(region !== undefined && { region }) }),
      }),
      (cause: unknown) => {
        throw invalid(`${where} needs the package @aws-sdk/client-bedrock-agentcore: npm install @aws-sdk/client-bedrock-agentcore.`, {
          cause,
        });
      },
    ),
  );

  const asking =
    (isAgain: (failure: RondoError) => boolean): Line['ask'] =>
    async (what, signal, send) => {
      const { sdk, client } = await loaded();
      for (let attempt = 1; ; attempt++) {
        try {
          return await send(sdk, client, { abortSignal: signal });
        } catch (error) {
          const failure = failureOf(error, what);
          if (attempt >= ATTEMPTS || signal.aborted || !isAgain(failure)) throw failure;
          await pause(fullJitter(attempt, BACKOFF, Math.random), signal);
        }
      }
    };
  return { ask: asking((failure) => detailsOf(failure).retryable === true), once: asking((failure) => detailsOf(failure).undone === true) };
}

const pause = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });

/** By the name of AWS: the code, and what to do. */
const KNOWN: Readonly<Record<string, readonly [code: ErrorCode, remedy: string]>> = {
  ResourceNotFoundException: ['CONFIG_INVALID', 'Create the workload identity or the credential provider, in this region.'],
  ValidationException: ['PROVIDER_REFUSED', 'Check the credential provider, the scopes, and the return URLs of the workload identity.'],
  AccessDeniedException: ['NOT_PERMITTED', 'Check the policy of the role, and whose token it is.'],
  UnauthorizedException: ['NOT_PERMITTED', 'The workload token is over, or is of another workload.'],
  ThrottlingException: ['PROVIDER_UNAVAILABLE', 'Try again later.'],
  InternalServerException: ['PROVIDER_UNAVAILABLE', 'Try again later.'],
};

/**
 * Texts of the service are not passed on, as they may hold something of a request. `details`: `{ aws, retryable, undone }`, the last for a
 * request that was refused before it had an effect.
 */
function failureOf(error: unknown, what: string): RondoError {
  if (RondoError.is(error)) return error;
  const name = error instanceof Error ? error.name : 'Error';
  const [code, remedy] = KNOWN[name] ?? [];
  if (code !== undefined)
    return new RondoError(code, `AgentCore Identity refused the request for ${what} (${name}). ${remedy}`, {
      details: { aws: name, retryable: code === 'PROVIDER_UNAVAILABLE', undone: name === 'ThrottlingException' },
    });
  // an expired signature is right the next time: the client has learnt the time of the service
  const skewed = error instanceof Error && /^Signature (expired|not yet current)/.test(error.message);
  const { code: word, retryable } = classify(error);
  return new RondoError(
    'PROVIDER_UNAVAILABLE',
    `AgentCore Identity could not be asked for ${what} (${word}). Check the region, the credentials and the network.`,
    { details: { aws: name, retryable: retryable || skewed, undone: skewed } },
  );
}

const detailsOf = ({ details }: RondoError) => (details ?? {}) as { aws?: string; retryable?: boolean; undone?: boolean };

export const no = (code: ErrorCode, message: string, details?: JsonObject) => new RondoError(code, message, details && { details });
export const noConsent = () => no('CONSENT_NOT_FOUND', 'There is no such consent. Open the link that the assistant showed.');

/** The name that AWS gave an error; undefined for another error. */
export const awsNameOf = (error: unknown): string | undefined => (RondoError.is(error) ? detailsOf(error).aws : undefined);
