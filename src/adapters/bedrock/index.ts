import type { Model, ModelDelta, ModelResponse } from '../../ports/model.ts';
import { clientFor, loadSdk } from './client.ts';
import { failure } from './errors.ts';
import { type BedrockOptions, check, MAX_TOKENS } from './options.ts';
import { type Feature, refusedFeature } from './quirks.ts';
import { type Prepared, prepare } from './request.ts';
import { answerOf, responseOf } from './response.ts';
import { collect } from './stream.ts';

export type { BedrockOptions, CacheOptions } from './options.ts';

/**
 * A model of Amazon Bedrock, through its Converse API. Needs `@aws-sdk/client-bedrock-runtime`, which is loaded at the
 * first call. Credentials and region are found as the AWS SDK finds them.
 *
 * @param id a model id, an inference profile id, or an ARN, such as `us.anthropic.claude-sonnet-4-5-20250929-v1:0`.
 * @throws RondoError `CONFIG_INVALID` for an id or an option that cannot be right; `generate` throws it where the SDK is
 *   missing. Everything else that fails is a ToolError, see docs/bedrock.md.
 */
export function bedrock(id: string, o: BedrockOptions = {}): Model {
  check(id, o);
  const dropped = new Set<Feature>();
  return {
    provider: 'bedrock',
    id,
    maxOutput: o.maxTokens ?? MAX_TOKENS,
    async generate(request, { signal, emit }) {
      for (;;) {
        const progress: Progress = { began: false };
        const prepared = prepare(id, o, request, dropped);
        try {
          signal.throwIfAborted();
          return await call(id, o, prepared, { signal, emit, progress });
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          if (progress.listener) throw progress.listener.error;
          const refused = progress.began ? undefined : refusedFeature(error, prepared.sent);
          if (!refused) throw failure(error, id, progress.began);
          dropped.add(refused);
        }
      }
    },
  };
}

interface Progress {
  /** Part of an answer has arrived. */
  began: boolean;
  /** Whoever listens threw: not the model's failure. */
  listener?: { error: unknown };
}

async function call(
  id: string,
  o: BedrockOptions,
  { input, toolName }: Prepared,
  { signal, emit, progress }: { signal: AbortSignal; emit: ((d: ModelDelta) => void) | undefined; progress: Progress },
): Promise<ModelResponse> {
  const sdk = await loadSdk();
  const client = clientFor(sdk, o);
  if (!emit) return responseOf(answerOf(await client.send(new sdk.ConverseCommand(input), { abortSignal: signal })), id, toolName);

  // leaving a stream early does not close it in the SDK: only its signal does, so each stream has one of its own
  const link = new AbortController();
  const abort = (): void => link.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  let whole = false;
  try {
    const { stream } = await client.send(new sdk.ConverseStreamCommand(input), { abortSignal: link.signal });
    progress.began = true;
    const answer = await collect(stream, (delta) => {
      try {
        emit(delta);
      } catch (error) {
        progress.listener = { error };
        throw error;
      }
    });
    whole = true;
    return responseOf(answer, id, toolName);
  } finally {
    signal.removeEventListener('abort', abort);
    if (!whole) link.abort();
  }
}
