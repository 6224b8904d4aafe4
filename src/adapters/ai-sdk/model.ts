import {
  type AssistantModelMessage,
  generateText,
  jsonSchema,
  type LanguageModel,
  type ModelMessage,
  NoOutputGeneratedError,
  Output,
  type ProviderMetadata,
  streamText,
  type ToolModelMessage,
  type ToolSet,
  tool,
} from 'ai';
import { invalid, ToolError } from '../../errors.ts';
import type { Json, JsonObject } from '../../json.ts';
import { checkOptions } from '../../options.ts';
import type { Message, Model, ModelDelta, ModelRequest, ModelResponse, ModelSettings, Part } from '../../ports/model.ts';
import { sendable } from '../../ports/sendable/calls.ts';
import { askedWithMedia } from '../../ports/sendable/media.ts';
import { aliases, unusedName } from '../../ports/sendable/names.ts';
import { wellFormed, wellFormedJson } from '../../ports/sendable/text.ts';
import type { JsonSchema } from '../../schema.ts';
import { cachePoint, markEnds } from './cache.ts';
import { isMetered, usageOf, userMessage } from './convert.ts';
import { failure } from './failure.ts';

const OPTIONS = {
  provider: "provider: 'anthropic'",
  maxOutput: 'maxOutput: 4_096',
  contextWindow: 'contextWindow: 200_000',
  cache: 'cache: true',
  settings: 'settings: { temperature: 0 }',
};

/**
 * An AI SDK language model as a Rondo model. The SDK makes one call and executes no tool; the engine does retries, limits and approvals.
 * @param o.provider the provider's name in price table and spans. Default: the model's provider, up to the first dot.
 * @param o.maxOutput the most output tokens of one call.
 * @param o.cache cache points for Claude (of Anthropic, Bedrock or the gateway): after the instructions, the newest message, and the message
 * with which the request before ended. Default false. Other providers cache by themselves.
 * @param o.contextWindow the most tokens of a request and its answer, for the policies of `compact`.
 * @param o.settings more SDK settings for each call: `temperature`, `providerOptions`, `headers`.
 */
export function aiSdkModel(
  model: LanguageModel,
  o: { provider?: string; maxOutput?: number; contextWindow?: number; cache?: boolean; settings?: object } = {},
): Model {
  checkOptions(o, OPTIONS, 'aiSdkModel()', { settings: 'object', cache: 'flag' });
  if (typeof model !== 'string' && typeof (model as { provider?: unknown } | undefined)?.provider !== 'string')
    throw invalid("aiSdkModel() takes a language model of the AI SDK, such as anthropic('<model id>') of @ai-sdk/anthropic.");
  const point = o.cache ? cachePoint(model) : undefined;
  const named = typeof model === 'string' ? { provider: 'gateway', modelId: model } : model;
  return {
    provider: o.provider ?? named.provider.split('.')[0] ?? named.provider,
    id: named.modelId,
    maxOutput: o.maxOutput,
    contextWindow: o.contextWindow,
    settings: numbersOf(o.settings),
    async generate(request, { signal, emit, alive }) {
      const ids = /^mistral/.test(named.provider) ? MISTRAL_ID : CALL_ID;
      const once = async (asked: ModelRequest): Promise<ModelResponse> => {
        const { prompt, toolName } = promptOf(asked, ids, point);
        const call = {
          ...o.settings,
          ...(o.maxOutput !== undefined && { maxOutputTokens: o.maxOutput }),
          model,
          ...prompt,
          abortSignal: signal,
          maxRetries: 0,
        };
        signal.throwIfAborted();
        if (!emit) return responseOf((await generateText(call)).finalStep, toolName);
        // without this handler the SDK writes errors to the console
        const stream = streamText({ ...call, onError: () => undefined });
        const names = new Map<string, string>();
        for await (const part of stream.stream) {
          alive?.();
          if (part.type === 'text-delta') tell({ type: 'text', text: part.text });
          else if (part.type === 'reasoning-delta') tell({ type: 'reasoning', text: part.text });
          else if (part.type === 'tool-input-start') names.set(part.id, toolName(part.toolName));
          else if (part.type === 'tool-input-delta' && part.delta !== '')
            tell({ type: 'toolCall', id: part.id, name: names.get(part.id) ?? '', text: part.delta });
          else if (part.type === 'error') throw NoOutputGeneratedError.isInstance(part.error) ? broken() : part.error;
          else if (part.type === 'abort') throw signal.reason;
        }
        const step = await stream.finalStep;
        if (isCut(step)) throw broken();
        return responseOf(step, toolName);
      };
      let heard = false;
      const tell = (delta: ModelDelta): void => {
        heard = true;
        emit?.(delta);
      };
      try {
        return await askedWithMedia(request, once, () => signal.aborted || heard);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw failure(error, false, 'MODEL_FAILED');
      }
    },
  };
}

const numbersOf = ({ temperature, topP }: { temperature?: unknown; topP?: unknown } = {}): ModelSettings => ({
  ...(typeof temperature === 'number' && { temperature }),
  ...(typeof topP === 'number' && { topP }),
});

/** The call ids and tool names that providers accept. */
const CALL_ID = /^[a-zA-Z0-9_-]{1,40}$/;
const MISTRAL_ID = /^[a-zA-Z0-9]{9}$/;
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

type CachePoint = ReturnType<typeof cachePoint>;

function promptOf({ instructions, messages: journal, tools, toolChoice, output }: ModelRequest, ids: RegExp, point: CachePoint) {
  const set: ToolSet = {};
  const aliased = aliases(TOOL_NAME);
  for (const { name, description, input } of tools)
    set[aliased.alias(name)] = tool({ description: wellFormed(description), inputSchema: jsonSchema(wellFormedJson(input) as object) });
  const messages = sendable(journal, ids);
  // a result refers to its call by id, and some providers also require the tool's name
  const names = new Map(
    messages.flatMap((m) => m.content.flatMap((p) => (p.type === 'toolCall' ? [[p.id, aliased.alias(p.name)] as const] : []))),
  );
  const told = messages.map((message) => messageOf(message, names)).filter(({ content }) => content.length > 0);
  const system = wellFormed(instructions);
  const prompt = {
    ...(system !== '' && {
      instructions: point ? ({ role: 'system', content: system, providerOptions: point } as const) : system,
    }),
    messages: point ? markEnds(told, point) : told,
    ...(tools.length > 0 && { tools: set }),
    ...(tools.length > 0 &&
      toolChoice !== undefined && {
        toolChoice: typeof toolChoice === 'string' ? toolChoice : ({ type: 'tool', toolName: aliased.alias(toolChoice.tool) } as const),
      }),
    ...(output && { output: format(output) }),
  };
  return { prompt, toolName: aliased.original };
}

function messageOf({ role, content }: Message, names: ReadonlyMap<string, string>): ModelMessage {
  if (role === 'user') return userMessage(content.filter(isSaid));
  if (role === 'assistant') return { role, content: content.filter(isSaid).flatMap((part) => saidOf(part, names)) };
  return { role, content: content.flatMap((part) => resultOf(part, names)) };
}

/** Providers refuse an empty text. */
const isSaid = (part: Part): boolean => part.type !== 'text' || part.text.trim() !== '';

type ToolResultOutput = Extract<ToolModelMessage['content'][number], { type: 'tool-result' }>['output'];
/** Asks for JSON of a schema. The engine validates the answer. */
const format = (schema: JsonSchema) => ({
  ...Output.object({ schema: jsonSchema(closed(wellFormedJson(schema)) as object) }),
  parseCompleteOutput: async ({ text }: { text: string }) => text as never,
});

/** OpenAI refuses object schemas without `additionalProperties: false`. The SDK closes Zod's objects in the same way. */
function closed(schema: Json): Json {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(closed);
  const node: { [k: string]: Json } = {};
  for (const [key, value] of Object.entries(schema as JsonObject)) {
    const byName = NAMED.has(key) && typeof value === 'object' && value !== null && !Array.isArray(value);
    if (byName) node[key] = Object.fromEntries(Object.entries(value as JsonObject).map(([name, inner]) => [name, closed(inner)]));
    else node[key] = NESTED.has(key) ? closed(value) : value;
  }
  const { type, additionalProperties } = node;
  const isObject = type === 'object' || (Array.isArray(type) && type.includes('object')) || 'properties' in node;
  if (isObject && (typeof additionalProperties !== 'object' || additionalProperties === null)) node.additionalProperties = false;
  return node;
}

const NAMED = new Set(['properties', '$defs', 'definitions']);
const NESTED = new Set(['items', 'prefixItems', 'anyOf', 'oneOf', 'allOf', 'additionalProperties']);

type Said = Exclude<AssistantModelMessage['content'], string>;

/** Vendor data of this adapter has the provider's name. A part may hold another adapter's data. */
const isMetadata = (vendor: unknown): vendor is ProviderMetadata =>
  typeof vendor === 'object' && vendor !== null && Object.values(vendor).every((v) => typeof v === 'object' && v !== null);

function saidOf(part: Part, names: ReadonlyMap<string, string>): Said {
  const vendor = 'vendor' in part && isMetadata(part.vendor) ? { providerOptions: part.vendor } : {};
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text, ...vendor }];
    case 'reasoning':
      return [{ type: 'reasoning', text: part.text, ...vendor }];
    case 'toolCall':
      return [{ type: 'tool-call', toolCallId: part.id, toolName: names.get(part.id) ?? part.name, input: part.input, ...vendor }];
    default:
      return [];
  }
}

function resultOf(part: Part, names: ReadonlyMap<string, string>): ToolModelMessage['content'] {
  if (part.type !== 'toolResult') return [];
  const { id, output, isError } = part;
  const text = output.map((p) => (p.type === 'text' ? p.text : '')).join('') || '(no output)';
  const files = output.some((p) => p.type !== 'text');
  const value = output.flatMap((p): Extract<ToolResultOutput, { type: 'content' }>['value'] => {
    if (p.type === 'text') return isSaid(p) ? [{ type: 'text', text: p.text }] : [];
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

const ANY = /^/;

type Step = Awaited<ReturnType<typeof generateText>>['finalStep'];

/** Whether a stream ended without a word on why and on what it used: those come last. The SDK takes what came before for an answer. */
const isCut = (step: Step): boolean => step.finishReason === 'other' && step.rawFinishReason === undefined && !isMetered([step]);

const broken = (): ToolError =>
  new ToolError('STREAM_BROKEN', 'the answer broke off before it was complete. Nothing of it was kept; try again.', { retryable: true });

function responseOf(step: Step, toolName: (alias: string) => string): ModelResponse {
  const used = new Set<string>();
  const content = step.content.flatMap((part): Part[] => {
    const vendor = 'providerMetadata' in part && part.providerMetadata ? { vendor: part.providerMetadata as Json } : {};
    if (part.type === 'text') return part.text === '' ? [] : [{ type: 'text', text: part.text, ...vendor }];
    if (part.type === 'reasoning') return [{ type: 'reasoning', text: part.text, ...vendor }];
    if (part.type === 'tool-call') {
      // the provider has already run it
      if (part.providerExecuted) return [];
      // some providers give no call ids, or equal ids for all calls of an answer
      const id = unusedName(part.toolCallId || `call_${used.size}`, ANY, used);
      used.add(id);
      return [{ type: 'toolCall', id, name: toolName(part.toolName), input: (part.input ?? {}) as Json, ...vendor }];
    }
    if (part.type === 'file') {
      const { mediaType, base64: data } = part.file;
      return [{ type: /^image\//i.test(mediaType) ? 'image' : 'document', mediaType, data, ...vendor }];
    }
    return [];
  });
  const { finishReason, rawFinishReason, response } = step;
  if (finishReason === 'error') throw new ToolError('MODEL_FAILED', 'the model ended its answer with an error.', { retryable: true });
  if (/^malformed_/i.test(rawFinishReason ?? ''))
    throw new ToolError('STREAM_ERROR', `the model gave an answer that its provider calls malformed (${rawFinishReason}). Try again.`, {
      retryable: true,
    });
  const stops = { stop: 'end', 'tool-calls': 'tools', length: 'length', 'content-filter': 'blocked' } as const;
  const stop =
    rawFinishReason === 'model_context_window_exceeded'
      ? 'context'
      : finishReason in stops
        ? stops[finishReason as keyof typeof stops]
        : content.some((p) => p.type === 'toolCall')
          ? 'tools'
          : 'end';
  return {
    content,
    stop,
    ...(isMetered([step]) && { usage: usageOf([step]) }),
    ...(response.modelId && { model: response.modelId }),
    ...(response.id && { id: response.id }),
  };
}
