import type { ContentBlock, ConverseCommandOutput, StopReason, TokenUsage } from '@aws-sdk/client-bedrock-runtime';
import { ToolError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { ModelResponse, Part, Usage } from '../../ports/model.ts';
import { imagePart } from './media.ts';
import type { Prepared } from './request.ts';
import { type Kept, keep } from './vendor.ts';

/** The fields of an answer that are needed to read it, streamed or not. */
export interface Answer {
  content: readonly ContentBlock[];
  stopReason: StopReason | (string & {});
  usage: TokenUsage | undefined;
  /** The model that a prompt router chose. */
  invoked: string | undefined;
  /** The request id, by which AWS can find it. */
  id?: string | undefined;
}

export function answerOf({ output, stopReason, usage, trace, $metadata }: ConverseCommandOutput): Answer {
  const content = output?.message?.content;
  if (!content || stopReason === undefined)
    throw new ToolError('STREAM_BROKEN', 'Bedrock answered without a message or a stop reason. Try again.', { retryable: true });
  return { content, stopReason, usage, invoked: trace?.promptRouter?.invokedModelId, id: $metadata?.requestId };
}

/** @throws ToolError `STREAM_ERROR` for an answer that the provider itself calls malformed; a retry may succeed. */
export function responseOf(answer: Answer, id: string, asked: Pick<Prepared, 'toolName' | 'argumentsOf'>): ModelResponse {
  if (/^malformed_/.test(answer.stopReason))
    throw new ToolError('STREAM_ERROR', `"${id}" gave an answer that Bedrock calls malformed (${answer.stopReason}). Try again.`, {
      retryable: true,
    });
  const content = named(answer.content.flatMap((block) => partOf(block, id, asked) ?? []));
  const usage = usageOf(answer.usage);
  const { invoked } = answer;
  const model = invoked?.includes('/') ? invoked.slice(invoked.lastIndexOf('/') + 1) : invoked;
  return {
    content,
    stop: stopOf(answer.stopReason, content),
    ...(usage && { usage }),
    ...(model && model !== id && { model }),
    ...(answer.id && { id: answer.id }),
  };
}

/** Some models give no call ids, or equal ids for all calls of an answer. Results need unique ids. */
function named(content: Part[]): Part[] {
  const used = new Set<string>();
  return content.map((part, i) => {
    if (part.type !== 'toolCall') return part;
    let id = part.id || `call_${i}`;
    while (used.has(id)) id = `${id}_${i}`;
    used.add(id);
    return id === part.id ? part : { ...part, id };
  });
}

function partOf(block: ContentBlock, id: string, { toolName, argumentsOf }: Pick<Prepared, 'toolName' | 'argumentsOf'>): Part | undefined {
  if (block.text !== undefined) return block.text === '' ? undefined : { type: 'text', text: block.text };
  if (block.toolUse) {
    const { toolUseId = '', name = '', input, type } = block.toolUse;
    // a tool of the provider, which it has already run
    if (type === 'server_tool_use') return undefined;
    const tool = toolName(name);
    return { type: 'toolCall', id: toolUseId, name: tool, input: argumentsOf(tool, plain(input ?? {})) };
  }
  if (block.reasoningContent) {
    const { reasoningText, redactedContent } = block.reasoningContent;
    if (redactedContent) return reasoning('', { model: id, redacted: Buffer.from(redactedContent).toString('base64') });
    const { text = '', signature } = reasoningText ?? {};
    if (text === '' && !signature) return undefined;
    return reasoning(text, signature ? { model: id, signature } : { model: id });
  }
  if (block.image) return imagePart(block.image);
  if (block.citationsContent) {
    const text = block.citationsContent.content?.map((c) => c.text ?? '').join('');
    return text ? { type: 'text', text } : undefined;
  }
  return undefined;
}

const reasoning = (text: string, kept: Kept): Part => ({ type: 'reasoning', text, vendor: keep(kept) });

/** Some models call a tool and report that their turn ended. The calls count. */
function stopOf(reason: string, content: readonly Part[]): ModelResponse['stop'] {
  switch (reason) {
    case 'max_tokens':
      return 'length';
    case 'model_context_window_exceeded':
      return 'context';
    case 'guardrail_intervened':
    case 'content_filtered':
    case 'refusal':
      return 'blocked';
    default:
      return content.some((p) => p.type === 'toolCall') ? 'tools' : 'end';
  }
}

/** Bedrock counts cached input apart from `inputTokens`. Unknown counts stay unknown, never 0. */
function usageOf(u: TokenUsage | undefined): Usage | undefined {
  if (u?.inputTokens === undefined || u.outputTokens === undefined) return undefined;
  return {
    input: u.inputTokens,
    output: u.outputTokens,
    ...(u.cacheReadInputTokens && { cacheRead: u.cacheReadInputTokens }),
    ...(u.cacheWriteInputTokens && { cacheWrite: u.cacheWriteInputTokens }),
  };
}

/**
 * The SDK reads numbers that a double cannot hold exactly as BigInt or as its own object, which JSON cannot hold. They become the
 * doubles that `JSON.parse` would give, as in a stream.
 */
function plain(value: unknown): Json {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value as Json;
  if (Array.isArray(value)) return value.map(plain);
  if ('string' in value && (value as { type?: unknown }).type === 'bigDecimal' && !isLiteral(value)) return Number(value.string);
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
}

const isLiteral = (value: object): boolean => Object.getPrototypeOf(value) === Object.prototype;
