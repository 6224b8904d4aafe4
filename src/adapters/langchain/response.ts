import { ToolError } from '../../errors.ts';
import { type JsonObject, jsonIn, plainJson } from '../../json.ts';
import type { ModelDelta, ModelResponse, Part, Usage } from '../../ports/model.ts';
import type { Aliases } from '../../ports/sendable/names.ts';
import type { Block } from './messages.ts';
import { keep } from './vendor.ts';

/** The fields of an `AIMessage` that are read. */
export interface Answer {
  content: string | readonly Block[];
  tool_calls?: readonly { id?: string | undefined; name: string; args: unknown }[] | undefined;
  tool_call_chunks?: readonly CallChunk[] | undefined;
  invalid_tool_calls?: readonly { id?: string | undefined; name?: string | undefined; args?: string | undefined }[] | undefined;
  usage_metadata?: Counted | undefined;
  id?: unknown;
  response_metadata?: { readonly [k: string]: unknown } | undefined;
  additional_kwargs?: { readonly [k: string]: unknown } | undefined;
}

/** A fragment of a call in a stream: the first one has id and name, the others the same `index`. */
interface CallChunk {
  id?: string | undefined;
  name?: string | undefined;
  args?: string | undefined;
  index?: number | undefined;
}

interface Counted {
  input_tokens: number;
  output_tokens: number;
  input_token_details?: { cache_read?: number; cache_creation?: number };
  output_token_details?: { reasoning?: number };
}

export function responseOf(answer: Answer | undefined, model: string, tools: Aliases): ModelResponse {
  if (!answer || answer.content === undefined)
    throw new ToolError('STREAM_BROKEN', `"${model}" answered without a message. Try again.`, { retryable: true });
  const reason = reasonOf(answer);
  if (/^malformed_/.test(reason))
    throw new ToolError('STREAM_ERROR', `"${model}" gave an answer that its provider calls malformed (${reason}). Try again.`, {
      retryable: true,
    });
  const content = withBeside(partsOf(answer, model, reason !== ''), answer, model).map((part) =>
    part.type === 'toolCall' ? { ...part, name: tools.original(part.name) } : part,
  );
  const usage = usageOf(answer.usage_metadata);
  // LangChain creates its own id if the provider gave none
  const id = typeof answer.id === 'string' && answer.id !== '' && !answer.id.startsWith('run-') ? answer.id : undefined;
  return { content, stop: stopOf(reason, content), ...(usage && { usage }), ...(id !== undefined && { id }) };
}

/** @param ended whether the provider said why the answer ended. */
function partsOf(answer: Answer, model: string, ended: boolean): Part[] {
  const { content, tool_calls = [], invalid_tool_calls = [], additional_kwargs } = answer;
  const parts: Part[] = [];
  // some providers put it here if there are no blocks
  const thoughts = additional_kwargs?.reasoning_content;
  if (typeof content === 'string') {
    if (typeof thoughts === 'string' && thoughts !== '') parts.push({ type: 'reasoning', text: thoughts });
    if (content !== '') parts.push({ type: 'text', text: content });
  }
  const ids = new Set<string>();
  // some providers give no ids, or equal ids for all calls
  const named = (id: string | undefined) => {
    let own = id || `call_${ids.size}`;
    while (ids.has(own)) own = `${own}_${ids.size}`;
    ids.add(own);
    return own;
  };
  const written = writtenIn(answer.tool_call_chunks ?? []);
  const calls = tool_calls.map((call) => {
    const half = halfOf(written, call.id, ended);
    if (half !== undefined && !ended)
      throw new ToolError('STREAM_BROKEN', `The answer of "${model}" broke off within a call. Nothing of it was kept; try again.`, {
        retryable: true,
      });
    return { ...call, args: half ?? call.args, theirs: call.id, id: named(call.id) };
  });
  for (const block of typeof content === 'string' ? [] : content) {
    if (!CALLS.has(block.type)) {
      parts.push(...(partOf(block, model) ?? []));
      continue;
    }
    const place = calls.findIndex(({ theirs }) => theirs === block.id);
    const [call] = place < 0 ? [] : calls.splice(place, 1);
    if (call) parts.push({ ...callPart(call), vendor: keep(model, { block: block.type, rest: signed(block) }) });
  }
  for (const call of calls) parts.push(callPart(call));
  // arguments that are not JSON: prepare refuses them, and the model is told why
  for (const { id, name = '', args = '' } of invalid_tool_calls) parts.push({ type: 'toolCall', id: named(id), name, input: args });
  return parts;
}

/** The arguments of each streamed call as the model wrote them. */
function writtenIn(chunks: readonly CallChunk[]): { id: string | undefined; index: number | undefined; text: string }[] {
  const written: ReturnType<typeof writtenIn> = [];
  for (const { id, index, args = '' } of chunks) {
    const open = written.findLast((call) => (index === undefined ? id !== undefined : call.index === index) && (!id || call.id === id));
    if (open) open.text += args;
    else written.push({ id, index, text: args });
  }
  return written;
}

/**
 * What a call's arguments are if the model did not write them to their end. LangChain closes them: `{"cents": 10` of `{"cents": 1000}` becomes
 * an amount that the model did not mean.
 */
function halfOf(written: ReturnType<typeof writtenIn>, id: string | undefined, ended: boolean): string | undefined {
  const place = written.findIndex((call) => call.id === id);
  const [call] = place < 0 ? [] : written.splice(place, 1);
  // a call without arguments may have none written, or be cut off before them
  if (!call || (call.text.trim() === '' ? ended : jsonIn(call.text) !== undefined)) return undefined;
  return call.text;
}

/** Calls, and reasoning that is already a part, have their own places. */
const TOLD: ReadonlySet<string> = new Set(['tool_calls', 'function_call', 'refusal']);

/** Gemini's call signatures and DeepSeek's reasoning are such: the provider refuses a conversation without them. */
function withBeside(parts: Part[], { additional_kwargs = {} }: Answer, model: string): Part[] {
  const [first, ...others] = parts;
  const beside = plainJson(Object.fromEntries(Object.entries(additional_kwargs).filter(([key]) => !TOLD.has(key)))) as JsonObject;
  if (!first || first.type === 'toolResult' || Object.keys(beside).length === 0) return parts;
  const own = (first.vendor ?? {}) as JsonObject;
  return [{ ...first, vendor: { ...own, langchain: model, beside } }, ...others];
}

const CALLS: ReadonlySet<string> = new Set(['tool_use', 'tool_call', 'input_json_delta', 'tool_call_chunk']);

const callPart = ({ id, name, args }: { id: string; name: string; args: unknown }): Part & { type: 'toolCall' } => ({
  type: 'toolCall',
  id,
  name,
  input: plainJson(args) ?? {},
});

/** The additional data of a call's block: signatures. */
function signed({ type: _, id: __, name: ___, input: ____, args: _____, index: ______, ...rest }: Block): JsonObject {
  return (plainJson(rest) ?? {}) as JsonObject;
}

function partOf(block: Block, model: string): Part[] | undefined {
  switch (block.type) {
    case 'text':
    case 'text_delta':
    case 'output_text':
      return typeof block.text === 'string' && block.text !== '' ? [{ type: 'text', text: block.text }] : undefined;
    case 'image':
    case 'file':
      return media(block);
    default:
      return REASONING.has(block.type)
        ? [{ type: 'reasoning', text: thought(block), vendor: keep(model, { rest: whole(block) }) }]
        : undefined;
  }
}

const REASONING: ReadonlySet<string> = new Set(['reasoning', 'thinking', 'redacted_thinking', 'reasoning_content']);

/** Each provider's own stop reasons. */
function thought(block: Block): string {
  const { thinking, reasoning, text, reasoningText, summary } = block as { [k: string]: unknown };
  const nested = (reasoningText as { text?: unknown } | undefined)?.text;
  const summed = Array.isArray(summary) ? summary.map((s: { text?: unknown }) => s?.text ?? '').join('\n') : undefined;
  return [thinking, reasoning, text, nested, summed].find((t): t is string => typeof t === 'string') ?? '';
}

const whole = ({ index: _, ...block }: Block): JsonObject => (plainJson(block) ?? {}) as JsonObject;

/** Of standard blocks, only those that include their bytes: the target of a URL may be gone later. */
function media(block: Block): Part[] | undefined {
  const data = block.data instanceof Uint8Array ? Buffer.from(block.data).toString('base64') : block.data;
  const mediaType = block.mimeType ?? block.mime_type;
  if (typeof data !== 'string' || typeof mediaType !== 'string') {
    return typeof block.url === 'string' ? [{ type: 'text', text: block.url }] : undefined;
  }
  const name = (block.metadata as { filename?: unknown; name?: unknown } | undefined)?.filename;
  return [{ type: block.type === 'image' ? 'image' : 'document', mediaType, data, ...(typeof name === 'string' && { name }) }];
}

/** The content of a tool message. */
export const contentParts = (content: readonly Block[]): Part[] =>
  content.flatMap(
    (block) =>
      (block.type === 'image_url' ? dataUrl(block) : partOf(block, '')) ?? [{ type: 'text', text: JSON.stringify(plainJson(block)) }],
  );

function dataUrl({ image_url }: Block): Part[] | undefined {
  const url = typeof image_url === 'string' ? image_url : (image_url as { url?: unknown } | undefined)?.url;
  const [, mediaType, data] = typeof url === 'string' ? (/^data:([^;,]+);base64,(.*)$/s.exec(url) ?? []) : [];
  if (mediaType && data) return [{ type: 'image', mediaType, data }];
  return typeof url === 'string' ? [{ type: 'text', text: url }] : undefined;
}

/** LangChain counts cached tokens as input; Rondo does not. */
function usageOf(u: Counted | undefined): Usage | undefined {
  if (typeof u?.input_tokens !== 'number' || typeof u.output_tokens !== 'number') return undefined;
  const { cache_read = 0, cache_creation = 0 } = u.input_token_details ?? {};
  const reasoning = u.output_token_details?.reasoning;
  return {
    input: Math.max(0, u.input_tokens - cache_read - cache_creation),
    output: u.output_tokens,
    ...(cache_read > 0 && { cacheRead: cache_read }),
    ...(cache_creation > 0 && { cacheWrite: cache_creation }),
    ...(reasoning && { reasoning }),
  };
}

/** Each provider reports it in its own place and format. */
function reasonOf({ response_metadata: m = {} }: Answer): string {
  // ChatBedrockConverse keeps the last event of a stream, ChatOllama the word of its server
  const { stopReason = m.stopReason } = (m.messageStop ?? {}) as { stopReason?: unknown };
  const said: unknown = m.stop_reason ?? m.finish_reason ?? stopReason ?? m.finishReason ?? m.done_reason;
  return String(said ?? '').toLowerCase();
}

function stopOf(reason: string, content: readonly Part[]): ModelResponse['stop'] {
  if (reason === 'model_context_window_exceeded') return 'context';
  if (/^(length|max_tokens|max_output_tokens)$/.test(reason)) return 'length';
  if (/content_filter|refusal|safety|guardrail|prohibited|blocklist|recitation/.test(reason)) return 'blocked';
  return content.some(({ type }) => type === 'toolCall') ? 'tools' : 'end';
}

/** The content of a stream chunk. */
export function deltasOf({ content, additional_kwargs }: Pick<Answer, 'content' | 'additional_kwargs'>): ModelDelta[] {
  if (typeof content === 'string') {
    const thoughts = additional_kwargs?.reasoning_content;
    return [
      ...(typeof thoughts === 'string' && thoughts !== '' ? [{ type: 'reasoning' as const, text: thoughts }] : []),
      ...(content !== '' ? [{ type: 'text' as const, text: content }] : []),
    ];
  }
  return content.flatMap((block) => {
    const [part] = partOf(block, '') ?? [];
    return (part?.type === 'text' || part?.type === 'reasoning') && part.text !== '' ? [{ type: part.type, text: part.text }] : [];
  });
}

/** The fragments of calls in the chunks of one stream. */
export function callDeltas(toolName: (alias: string) => string): (chunk: Pick<Answer, 'tool_call_chunks'>) => ModelDelta[] {
  const calls = new Map<number | undefined, { id: string; name: string }>();
  return ({ tool_call_chunks }) =>
    (tool_call_chunks ?? []).flatMap(({ id, name, args, index }): ModelDelta[] => {
      if (id) calls.set(index, { id, name: toolName(name ?? '') });
      const call = calls.get(index);
      return call && args ? [{ type: 'toolCall', ...call, text: args }] : [];
    });
}
