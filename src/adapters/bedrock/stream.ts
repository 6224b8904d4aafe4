import type {
  ContentBlock,
  ContentBlockDelta,
  ContentBlockStart,
  ConverseStreamOutput,
  ImageFormat,
  TokenUsage,
} from '@aws-sdk/client-bedrock-runtime';
import { ToolError } from '../../errors.ts';
import type { ModelDelta } from '../../ports/model.ts';
import type { Answer } from './response.ts';

type Open =
  | { kind: 'text'; text: string }
  | { kind: 'reasoning'; text: string; signature: string }
  | { kind: 'redacted'; bytes: Uint8Array[] }
  | { kind: 'tool'; id: string; name: string; json: string; server: boolean }
  | { kind: 'image'; format: ImageFormat; bytes: Uint8Array[] }
  /** A block of a kind that this adapter does not know. */
  | { kind: 'other' };
type Kind = Open['kind'];

/**
 * Reads a stream to its end, and returns what the non-streamed call would have returned.
 * @param alive called for each event, shown or not.
 * @throws ToolError `STREAM_BROKEN` if it ends before the stop reason.
 */
export async function collect(
  stream: AsyncIterable<ConverseStreamOutput> | undefined,
  emit: (d: ModelDelta) => void,
  alive?: () => void,
): Promise<Answer> {
  const blocks: Open[] = [];
  const open = new Map<number, Open>();
  let stopReason: string | undefined;
  let usage: TokenUsage | undefined;
  let invoked: string | undefined;

  // some models reuse an index for another kind of content, and only tools and images have a start event
  const at = <K extends Kind>(index: number, kind: K, fresh: () => Extract<Open, { kind: K }>): Extract<Open, { kind: K }> => {
    const known = open.get(index);
    if (known?.kind === kind) return known as Extract<Open, { kind: K }>;
    const block = fresh();
    open.set(index, block);
    blocks.push(block);
    return block;
  };
  const started = (index: number, start: ContentBlockStart | undefined): void => {
    open.delete(index);
    if (start?.toolUse) {
      const { toolUseId: id = '', name = '', type } = start.toolUse;
      at(index, 'tool', () => ({ kind: 'tool', id, name, json: '', server: type === 'server_tool_use' }));
    } else if (start?.image) {
      const { format = 'png' } = start.image;
      at(index, 'image', () => ({ kind: 'image', format, bytes: [] }));
    } else if (start) at(index, 'other', () => ({ kind: 'other' }));
  };
  const received = (index: number, delta: ContentBlockDelta | undefined): void => {
    if (delta?.text) {
      at(index, 'text', () => ({ kind: 'text', text: '' })).text += delta.text;
      emit({ type: 'text', text: delta.text });
    } else if (delta?.toolUse) {
      const block = at(index, 'tool', () => ({ kind: 'tool', id: '', name: '', json: '', server: false }));
      const text = delta.toolUse.input ?? '';
      block.json += text;
      // a provider runs its own tools
      if (text && !block.server) emit({ type: 'toolCall', id: block.id, name: block.name, text });
    } else if (delta?.reasoningContent) {
      const { text, signature, redactedContent } = delta.reasoningContent;
      if (redactedContent) return void at(index, 'redacted', () => ({ kind: 'redacted', bytes: [] })).bytes.push(redactedContent);
      const block = at(index, 'reasoning', () => ({ kind: 'reasoning', text: '', signature: '' }));
      block.signature += signature ?? '';
      block.text += text ?? '';
      if (text) emit({ type: 'reasoning', text });
    } else if (delta?.image?.source?.bytes) {
      at(index, 'image', () => ({ kind: 'image', format: 'png', bytes: [] })).bytes.push(delta.image.source.bytes);
    }
  };

  try {
    for await (const event of stream ?? []) {
      alive?.();
      if (event.contentBlockDelta) received(event.contentBlockDelta.contentBlockIndex ?? 0, event.contentBlockDelta.delta);
      else if (event.contentBlockStart) started(event.contentBlockStart.contentBlockIndex ?? 0, event.contentBlockStart.start);
      else if (event.contentBlockStop) open.delete(event.contentBlockStop.contentBlockIndex ?? 0);
      else if (event.messageStop) stopReason = event.messageStop.stopReason;
      else if (event.metadata) {
        usage = event.metadata.usage;
        invoked = event.metadata.trace?.promptRouter?.invokedModelId;
      }
    }
  } catch (error) {
    // the answer is complete; only its usage stays unknown, and a retry would pay for it twice
    if (stopReason === undefined) throw error;
  }
  if (stopReason === undefined) throw broken();
  return { content: blocks.flatMap((b) => blockOf(b) ?? []), stopReason, usage, invoked };
}

export function broken(cause?: unknown): ToolError {
  const why = cause instanceof Error ? ` (${cause.message.split('\n', 1)[0]})` : '';
  return new ToolError('STREAM_BROKEN', `The answer broke off before it was complete${why}. Nothing of it was kept; try again.`, {
    retryable: true,
    cause,
  });
}

function blockOf(block: Open): ContentBlock | undefined {
  switch (block.kind) {
    case 'text':
      return { text: block.text };
    case 'reasoning':
      return { reasoningContent: { reasoningText: { text: block.text, ...(block.signature && { signature: block.signature }) } } };
    case 'redacted':
      return { reasoningContent: { redactedContent: Buffer.concat(block.bytes) } };
    case 'image':
      return { image: { format: block.format, source: { bytes: Buffer.concat(block.bytes) } } };
    case 'tool': {
      const { id, name, json, server } = block;
      return { toolUse: { toolUseId: id, name, input: parsed(json), ...(server && { type: 'server_tool_use' }) } };
    }
    case 'other':
      return undefined;
  }
}

/** The input as the model wrote it. Invalid JSON stays text, which no tool's schema accepts, so the model is told. */
function parsed(json: string): never {
  if (!json.trim()) return {} as never;
  try {
    return JSON.parse(json) as never;
  } catch {
    return json as never;
  }
}
