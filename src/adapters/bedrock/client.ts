import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { invalid } from '../../errors.ts';
import { lazy } from '../../flight.ts';
import type { BedrockOptions } from './options.ts';

type Sdk = typeof import('@aws-sdk/client-bedrock-runtime');

/** Keyed by region, endpoint and attempts. A client holds credentials and connections; its first call resolves both. */
const shared = new Map<string, BedrockRuntimeClient>();

// AWS allows an inference of up to an hour, but the SDK drops a connection that is silent for five minutes. Shorter limits come from the
// caller's signal.
const SILENCE = 3_600_000;

/**
 * Loads the SDK at the first use of a model or a guardrail.
 * @throws RondoError `CONFIG_INVALID` if it is not installed.
 */
export const loadSdk = lazy(
  (): Promise<Sdk> =>
    import('@aws-sdk/client-bedrock-runtime').catch((cause: unknown) => {
      throw invalid(
        `bedrock() needs the AWS SDK, which could not be loaded (${(cause as Error)?.message}). Run: npm install @aws-sdk/client-bedrock-runtime`,
        { cause },
      );
    }),
);

/** @param attempts for a model one, because the envelope around its call retries: a second retry layer would multiply attempts and hide them. */
export function clientFor(sdk: Sdk, o: BedrockOptions, attempts = 1): BedrockRuntimeClient {
  if (o.client) return o.client;
  const key = JSON.stringify([o.region, o.endpoint, attempts]);
  let client = shared.get(key);
  if (!client) {
    client = new sdk.BedrockRuntimeClient({
      maxAttempts: attempts,
      retryMode: 'standard',
      requestHandler: { disableConcurrentStreams: true, sessionTimeout: SILENCE },
      ...(o.region !== undefined && { region: o.region }),
      ...(o.endpoint !== undefined && { endpoint: o.endpoint }),
    });
    shared.set(key, client);
  }
  return client;
}
