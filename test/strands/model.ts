import {
  Agent,
  type AgentConfig,
  type BaseModelConfig,
  type JSONValue,
  type Message,
  Model,
  type ModelStreamEvent,
  tool,
} from '@strands-agents/sdk';
import { z } from 'zod';

export type Said = string | Error | readonly { id: string; name: string; input: JSONValue }[];

/** A model that says what it is told to, and keeps what it was shown. */
export class FakeModel extends Model<BaseModelConfig> {
  readonly seen: Message[][] = [];
  readonly said: Said[];
  onCall: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;

  constructor(said: readonly Said[]) {
    super();
    this.said = [...said];
  }
  override updateConfig() {}
  override getConfig() {
    return { modelId: 'fake' };
  }
  override async *stream(messages: Message[], options?: { cancelSignal?: AbortSignal }): AsyncIterable<ModelStreamEvent> {
    this.seen.push([...messages]);
    await this.onCall?.(options?.cancelSignal);
    const said = this.said.shift() ?? 'The script has ended.';
    if (said instanceof Error) throw said;
    yield { type: 'modelMessageStartEvent', role: 'assistant' };
    if (typeof said === 'string') {
      yield { type: 'modelContentBlockStartEvent' };
      for (const text of said.split(/(?<= )/)) yield { type: 'modelContentBlockDeltaEvent', delta: { type: 'textDelta', text } };
      yield { type: 'modelContentBlockStopEvent' };
    } else {
      for (const { id, name, input } of said) {
        yield { type: 'modelContentBlockStartEvent', start: { type: 'toolUseStart', name, toolUseId: id } };
        yield { type: 'modelContentBlockDeltaEvent', delta: { type: 'toolUseInputDelta', input: JSON.stringify(input) } };
        yield { type: 'modelContentBlockStopEvent' };
      }
    }
    yield { type: 'modelMessageStopEvent', stopReason: typeof said === 'string' ? 'endTurn' : 'toolUse' };
    yield { type: 'modelMetadataEvent', usage: { inputTokens: 10, outputTokens: 5, totalTokens: 15, cacheReadInputTokens: 4 } };
  }
}

/** What the model was told in its last call, of tools: `[id, status, text]`. */
export const results = (messages: readonly Message[] | undefined) =>
  (messages ?? []).flatMap((m) =>
    m.content.flatMap((b) =>
      b.type === 'toolResultBlock'
        ? [[b.toolUseId, b.status, b.content.map((c) => (c.type === 'textBlock' ? c.text : JSON.stringify(c.toJSON()))).join('')] as const]
        : [],
    ),
  );

/** A tool that notes that it ran. */
export const mail = (sent: string[], name = 'mail') =>
  tool({
    name,
    description: 'Sends mail',
    inputSchema: z.object({ to: z.string() }),
    callback: ({ to }) => {
      sent.push(to);
      return `sent to ${to}`;
    },
  });

export const strands = (o: AgentConfig) => new Agent({ printer: false, retryStrategy: null, ...o });
