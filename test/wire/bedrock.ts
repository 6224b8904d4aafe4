/** Bedrock's runtime on the wire: Converse and ConverseStream, scripted by what the model is to say. */

import type { ContentBlock, StopReason, TokenUsage } from '@aws-sdk/client-bedrock-runtime';
import * as exports from '@aws-sdk/client-bedrock-runtime';
import { refusal } from './bedrock-rules.ts';
import { type Answer, type Call, type Reply, type Step, type WireServer, wireServer } from './server.ts';
import { Service, shared } from './smithy.ts';

const PACKAGE = '@aws-sdk/client-bedrock-runtime';

export interface Said {
  content: ContentBlock[];
  stopReason?: StopReason | (string & {});
  usage?: Partial<TokenUsage> | null;
  trace?: Record<string, unknown>;
  /** How a text, or the JSON of a tool's input, is cut into deltas. Default: one. */
  deltas?: (text: string) => string[];
  /** How a frame's bytes are cut into writes. Default: one. */
  writes?: (bytes: Buffer) => Iterable<Uint8Array>;
  /** The JSON of tool inputs as the model would stream it, where it is not what `content` says. */
  rawInput?: string;
}

const USAGE: TokenUsage = { inputTokens: 11, outputTokens: 7, totalTokens: 18 };

export const says = (said: Said | string): Answer => {
  const s: Said = typeof said === 'string' ? { content: [{ text: said }] } : said;
  return (call) => (call.operation === 'ConverseStream' ? { events: events(s), ...(s.writes && { writes: s.writes }) } : oneShot(s));
};

export const fails = (name: string, message = 'no', o: { status?: number; headers?: Record<string, string> } = {}): Reply => ({
  error: { name, message, ...(o.status && { status: o.status }) },
  ...(o.headers && { headers: o.headers }),
});

const stopOf = (s: Said): string => s.stopReason ?? (s.content.some((b) => b.toolUse) ? 'tool_use' : 'end_turn');

function oneShot(s: Said): Reply {
  return {
    output: {
      output: { message: { role: 'assistant', content: s.content } },
      stopReason: stopOf(s),
      usage: s.usage === null ? undefined : { ...USAGE, ...s.usage },
      metrics: { latencyMs: 3 },
      ...(s.trace && { trace: s.trace }),
    },
  };
}

/** The frames that carry an answer, in the order in which Bedrock sends them. */
export function events(s: Said): Step[] {
  const steps: Step[] = [{ event: { messageStart: { role: 'assistant' } } }];
  const split = s.deltas ?? ((text) => [text]);
  const add = (event: Record<string, unknown>): void => void steps.push({ event });
  for (const [contentBlockIndex, block] of s.content.entries()) {
    const delta = (d: unknown): void => add({ contentBlockDelta: { delta: d, contentBlockIndex } });
    const { text, toolUse, reasoningContent, image, citationsContent } = block;
    if (text !== undefined) for (const t of split(text)) delta({ text: t });
    if (toolUse) {
      add({
        contentBlockStart: {
          start: { toolUse: { toolUseId: toolUse.toolUseId, name: toolUse.name, type: toolUse.type } },
          contentBlockIndex,
        },
      });
      for (const input of split(s.rawInput ?? JSON.stringify(toolUse.input))) delta({ toolUse: { input } });
    }
    if (reasoningContent?.reasoningText) {
      for (const t of split(reasoningContent.reasoningText.text ?? '')) delta({ reasoningContent: { text: t } });
      if (reasoningContent.reasoningText.signature) delta({ reasoningContent: { signature: reasoningContent.reasoningText.signature } });
    }
    if (reasoningContent?.redactedContent) delta({ reasoningContent: { redactedContent: reasoningContent.redactedContent } });
    if (citationsContent) for (const c of citationsContent.content ?? []) delta({ text: c.text });
    if (image) {
      add({ contentBlockStart: { start: { image: { format: image.format } }, contentBlockIndex } });
      delta({ image: { source: image.source } });
    }
    add({ contentBlockStop: { contentBlockIndex } });
  }
  add({ messageStop: { stopReason: stopOf(s) } });
  if (s.usage !== null)
    add({ metadata: { usage: { ...USAGE, ...s.usage }, metrics: { latencyMs: 3 }, ...(s.trace && { trace: s.trace }) } });
  return steps;
}

/**
 * Refuses what Bedrock refuses before any script is asked.
 * Ids beginning with `unknown.` do not exist; a request without a signature or a bearer token is turned away.
 */
export async function bedrockWire(): Promise<WireServer> {
  const client = new exports.BedrockRuntimeClient({ region: 'us-east-1' });
  return wireServer({ guard }, new Service({ package: PACKAGE, exports, client }));
}

function guard(call: Call): Reply | undefined {
  if (!/^(AWS4-HMAC-SHA256|Bearer) /.test(String(call.headers.authorization)))
    return fails('MissingAuthenticationTokenException', 'Missing Authentication Token', { status: 403 });
  if (call.operation === 'ApplyGuardrail') return undefined;
  if (call.input.modelId.startsWith('unknown.')) return fails('ValidationException', 'The provided model identifier is invalid.');
  const wrong = refusal(call.input, call.operation);
  return wrong === undefined ? undefined : fails('ValidationException', wrong);
}

/** A client of the caller's own that speaks HTTP/1.1, where the default is HTTP/2. */
export function http1Client(endpoint: string): exports.BedrockRuntimeClient {
  const { NodeHttpHandler } = shared<{ NodeHttpHandler: new () => NonNullable<exports.BedrockRuntimeClientConfig['requestHandler']> }>(
    PACKAGE,
    '@smithy/node-http-handler',
  );
  return new exports.BedrockRuntimeClient({ region: 'us-east-1', endpoint, maxAttempts: 1, requestHandler: new NodeHttpHandler() });
}
