import type { Model, ModelDelta, ModelResponse } from '../../ports/model.ts';
import { clientFor, loadSdk } from './client.ts';
import { failure } from './errors.ts';
import { type Feature, lacking } from './families.ts';
import { type BedrockOptions, check, MAX_TOKENS, settingsOf } from './options.ts';
import { lessonOf } from './quirks.ts';
import { type Prepared, prepare } from './request.ts';
import { answerOf, responseOf } from './response.ts';
import { collect } from './stream.ts';

export { type BedrockGuardrailOptions, type BilledPolicy, bedrockGuardrail } from './guardrail.ts';
export type { BedrockOptions, CacheOptions } from './options.ts';

/**
 * An Amazon Bedrock model, through the Converse API. Needs `@aws-sdk/client-bedrock-runtime`, which is loaded at the first call. The AWS
 * SDK finds credentials and region in its usual places.
 *
 * @param id a model id, an inference profile id, or an ARN, such as `us.anthropic.claude-sonnet-4-5-20250929-v1:0`.
 * @throws RondoError `CONFIG_INVALID` for an impossible id or option; `generate` throws it if the SDK is missing. Other failures are
 * ToolErrors, see docs/bedrock.md.
 */
export function bedrock(id: string, o: BedrockOptions = {}): Model {
  check(id, o);
  const learned = new Set(lacking(id));
  return {
    provider: 'bedrock',
    id,
    maxOutput: o.maxTokens ?? MAX_TOKENS,
    contextWindow: o.contextWindow,
    settings: settingsOf(o),
    async generate(request, { signal, emit, alive }) {
      const once = new Set<Feature>();
      for (;;) {
        const dropped: ReadonlySet<Feature> = once.size > 0 ? new Set([...learned, ...once]) : learned;
        const progress: Progress = { began: false };
        const prepared = prepare(id, o, request, dropped);
        try {
          signal.throwIfAborted();
          return await call(id, o, prepared, { signal, emit, alive, progress, dropped });
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          if (progress.listener) throw progress.listener.error;
          const lesson = progress.began ? undefined : lessonOf(error, prepared.sent);
          if (!lesson) throw failure(error, id, progress.began);
          for (const feature of lesson.features) (lesson.once ? once : learned).add(feature);
        }
      }
    },
  };
}

interface Progress {
  /** Part of an answer has arrived. */
  began: boolean;
  /** The listener threw: not a failure of the model. */
  listener?: { error: unknown };
}

interface Call {
  signal: AbortSignal;
  emit: ((d: ModelDelta) => void) | undefined;
  alive: (() => void) | undefined;
  progress: Progress;
  dropped: ReadonlySet<Feature>;
}

async function call(
  id: string,
  o: BedrockOptions,
  prepared: Prepared,
  { signal, emit, alive, progress, dropped }: Call,
): Promise<ModelResponse> {
  const { input, sent } = prepared;
  const sdk = await loadSdk();
  const client = clientFor(sdk, o);
  const tell = (delta: ModelDelta): void => {
    try {
      emit?.(delta);
    } catch (error) {
      progress.listener = { error };
      throw error;
    }
  };
  if (!emit || dropped.has('stream') || (input.toolConfig && dropped.has('stream.tools'))) {
    const response = responseOf(answerOf(await client.send(new sdk.ConverseCommand(input), { abortSignal: signal })), id, prepared);
    // a listener gets the answer of a model that cannot stream in one piece
    for (const part of response.content)
      if ((part.type === 'text' || part.type === 'reasoning') && part.text !== '') tell({ type: part.type, text: part.text });
    return response;
  }
  sent.add('stream');
  if (input.toolConfig) sent.add('stream.tools');

  // leaving a stream early does not close it in the SDK; only its signal does, so each stream has its own signal
  const link = new AbortController();
  const abort = (): void => link.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  let whole = false;
  try {
    const { stream, $metadata } = await client.send(new sdk.ConverseStreamCommand(input), { abortSignal: link.signal });
    progress.began = true;
    const named = (d: ModelDelta) => tell(d.type === 'toolCall' ? { ...d, name: prepared.toolName(d.name) } : d);
    const answer = { ...(await collect(stream, named, alive)), id: $metadata?.requestId };
    whole = true;
    return responseOf(answer, id, prepared);
  } finally {
    signal.removeEventListener('abort', abort);
    if (!whole) link.abort();
  }
}
