import {
  type AssistantModelMessage,
  generateText,
  jsonSchema,
  type LanguageModel,
  type ModelMessage,
  Output,
  type ProviderMetadata,
  streamText,
  type ToolModelMessage,
  type ToolSet,
  tool,
} from 'ai';
import { ToolError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { Message, Model, ModelRequest, ModelResponse, Part } from '../../ports/model.ts';
import type { JsonSchema } from '../../schema.ts';
import { usageOf, userMessage } from './convert.ts';
import { failure } from './failure.ts';

/**
 * A language model of the AI SDK as a model of this engine. The SDK makes one call and executes no tool; retries, limits and
 * approvals are the engine's.
 * @param o.provider what the price table and the spans call the provider. Default: what the model says, up to the first dot.
 * @param o.maxOutput the most output tokens one call can produce.
 * @param o.settings further settings of the SDK for each call: `temperature`, `providerOptions`, `headers`.
 */
export function aiSdkModel(model: LanguageModel, o: { provider?: string; maxOutput?: number; settings?: object } = {}): Model {
  const named = typeof model === 'string' ? { provider: 'gateway', modelId: model } : model;
  return {
    provider: o.provider ?? named.provider.split('.')[0] ?? named.provider,
    id: named.modelId,
    ...(o.maxOutput !== undefined && { maxOutput: o.maxOutput }),
    async generate(request, { signal, emit }) {
      const call = {
        ...o.settings,
        ...(o.maxOutput !== undefined && { maxOutputTokens: o.maxOutput }),
        model,
        ...promptOf(request),
        abortSignal: signal,
        maxRetries: 0,
      };
      try {
        signal.throwIfAborted();
        if (!emit) return responseOf((await generateText(call)).finalStep);
        // without it, the SDK writes errors to the console
        const stream = streamText({ ...call, onError: () => undefined });
        for await (const part of stream.stream) {
          if (part.type === 'text-delta') emit({ type: 'text', text: part.text });
          else if (part.type === 'reasoning-delta') emit({ type: 'reasoning', text: part.text });
          else if (part.type === 'error') throw part.error;
          else if (part.type === 'abort') throw signal.reason;
        }
        return responseOf(await stream.finalStep);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw failure(error, false);
      }
    },
  };
}

function promptOf({ instructions, messages, tools, output }: ModelRequest) {
  const set: ToolSet = {};
  // a result names its call by id, and some providers want the tool's name with it
  const names = new Map(messages.flatMap((m) => m.content.flatMap((p) => (p.type === 'toolCall' ? [[p.id, p.name] as const] : []))));
  for (const { name, description, input } of tools) set[name] = tool({ description, inputSchema: jsonSchema(input as object) });
  return {
    ...(instructions !== '' && { instructions }),
    messages: messages.map((message) => messageOf(message, names)),
    ...(tools.length > 0 && { tools: set }),
    ...(output && { output: format(output) }),
  };
}

function messageOf({ role, content }: Message, names: ReadonlyMap<string, string>): ModelMessage {
  if (role === 'user') return userMessage(content);
  if (role === 'assistant') return { role, content: content.flatMap(saidOf) };
  return { role, content: content.flatMap((part) => resultOf(part, names)) };
}

type ToolResultOutput = Extract<ToolModelMessage['content'][number], { type: 'tool-result' }>['output'];
/** Asks for JSON of a schema, and leaves it to the engine to check what came. */
const format = (schema: JsonSchema) => ({
  ...Output.object({ schema: jsonSchema(schema as object) }),
  parseCompleteOutput: async ({ text }: { text: string }) => text as never,
});

type Said = Exclude<AssistantModelMessage['content'], string>;

/** Ours comes by provider. What a part holds of another adapter's may be anything. */
const isMetadata = (vendor: unknown): vendor is ProviderMetadata =>
  typeof vendor === 'object' && vendor !== null && Object.values(vendor).every((v) => typeof v === 'object' && v !== null);

function saidOf(part: Part): Said {
  const vendor = 'vendor' in part && isMetadata(part.vendor) ? { providerOptions: part.vendor } : {};
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text, ...vendor }];
    case 'reasoning':
      return [{ type: 'reasoning', text: part.text, ...vendor }];
    case 'toolCall':
      return [{ type: 'tool-call', toolCallId: part.id, toolName: part.name, input: part.input, ...vendor }];
    default:
      return [];
  }
}

function resultOf(part: Part, names: ReadonlyMap<string, string>): ToolModelMessage['content'] {
  if (part.type !== 'toolResult') return [];
  const { id, output, isError } = part;
  const text = output.map((p) => (p.type === 'text' ? p.text : '')).join('');
  const files = output.some((p) => p.type !== 'text');
  const value = output.flatMap((p): Extract<ToolResultOutput, { type: 'content' }>['value'] => {
    if (p.type === 'text') return [{ type: 'text', text: p.text }];
    return p.type === 'image' || p.type === 'document' ? [{ type: 'file-data', data: p.data, mediaType: p.mediaType }] : [];
  });
  return [
    {
      type: 'tool-result',
      toolCallId: id,
      toolName: names.get(id) ?? '',
      output: isError ? { type: 'error-text', value: text } : files ? { type: 'content', value } : { type: 'text', value: text },
    },
  ];
}

type Step = Awaited<ReturnType<typeof generateText>>['finalStep'];

function responseOf(step: Step): ModelResponse {
  const content = step.content.flatMap((part): Part[] => {
    const vendor = 'providerMetadata' in part && part.providerMetadata ? { vendor: part.providerMetadata as Json } : {};
    if (part.type === 'text') return part.text === '' ? [] : [{ type: 'text', text: part.text, ...vendor }];
    if (part.type === 'reasoning') return [{ type: 'reasoning', text: part.text, ...vendor }];
    if (part.type === 'tool-call')
      return [{ type: 'toolCall', id: part.toolCallId, name: part.toolName, input: (part.input ?? {}) as Json, ...vendor }];
    return [];
  });
  const { finishReason, response } = step;
  if (finishReason === 'error') throw new ToolError('MODEL_FAILED', 'the model ended its answer with an error.', { retryable: true });
  const stops = { stop: 'end', 'tool-calls': 'tools', length: 'length', 'content-filter': 'blocked' } as const;
  const stop =
    finishReason in stops ? stops[finishReason as keyof typeof stops] : content.some((p) => p.type === 'toolCall') ? 'tools' : 'end';
  return { content, stop, usage: usageOf([step]), ...(response.modelId && { model: response.modelId }) };
}
