import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { invalid } from '../../errors.ts';
import type { BedrockOptions } from './options.ts';

type Sdk = typeof import('@aws-sdk/client-bedrock-runtime');

let loading: Promise<Sdk> | undefined;
/** Keyed by region and endpoint. A client holds credentials and connections; its first call resolves both. */
const shared = new Map<string, BedrockRuntimeClient>();

// AWS allows an inference of up to an hour, but the SDK drops a connection that is silent for five minutes. Shorter limits come from the
// caller's signal.
const SILENCE = 3_600_000;

/**
 * Loads the SDK at the first use of a model.
 * @throws RondoError `CONFIG_INVALID` if it is not installed.
 */
export function loadSdk(): Promise<Sdk> {
  loading ??= import('@aws-sdk/client-bedrock-runtime').catch((cause: unknown) => {
    loading = undefined;
    throw invalid(
      `bedrock() needs the AWS SDK, which could not be loaded (${(cause as Error)?.message}). Run: npm install @aws-sdk/client-bedrock-runtime`,
      { cause },
    );
  });
  return loading;
}

export function clientFor(sdk: Sdk, o: BedrockOptions): BedrockRuntimeClient {
  if (o.client) return o.client;
  const key = JSON.stringify([o.region, o.endpoint]);
  let client = shared.get(key);
  if (!client) {
    client = new sdk.BedrockRuntimeClient({
      // the envelope around a model call retries; a second retry layer would multiply attempts and hide them
      maxAttempts: 1,
      retryMode: 'standard',
      requestHandler: { disableConcurrentStreams: true, sessionTimeout: SILENCE },
      ...(o.region !== undefined && { region: o.region }),
      ...(o.endpoint !== undefined && { endpoint: o.endpoint }),
    });
    shared.set(key, client);
  }
  return client;
}
