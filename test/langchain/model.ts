import { BaseChatModel, type BaseChatModelParams } from '@langchain/core/language_models/chat_models';
import { AIMessage, AIMessageChunk, type BaseMessage } from '@langchain/core/messages';
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs';

/** An answer in one piece, an answer in chunks, an error, or one that never comes. */
export type Said = AIMessage | readonly AIMessageChunk[] | Error | 'never';

/** A chat model as providers write them: its calls go through LangChain's caller, with its retries and its handling of a 429. */
export class Talker extends BaseChatModel {
  readonly seen: BaseMessage[][] = [];
  readonly choices: unknown[] = [];
  readonly bound: unknown[] = [];
  /** Calls of the service, LangChain's own retries included. */
  requests = 0;
  readonly #said: readonly Said[];

  constructor(said: readonly Said[], o: BaseChatModelParams = { maxRetries: 0 }) {
    super(o);
    this.#said = said;
  }

  _llmType() {
    return 'talker';
  }

  override getLsParams() {
    return { ls_provider: 'Acme', ls_model_name: 'talker-1', ls_model_type: 'chat' as const };
  }

  override bindTools(tools: unknown[], options?: { tool_choice?: unknown }) {
    this.bound.push(tools);
    this.choices.push(options?.tool_choice);
    return this.withConfig({});
  }

  async #next(messages: BaseMessage[], signal: AbortSignal | undefined): Promise<AIMessage | readonly AIMessageChunk[]> {
    const said = this.#said[this.seen.length];
    this.seen.push(messages);
    return this.caller.callWithOptions(signal ? { signal } : {}, async () => {
      this.requests++;
      if (said instanceof Error) throw said;
      if (said === undefined) throw new Error('the script has ended');
      return said === 'never' ? new Promise<never>(() => undefined) : said;
    });
  }

  override async _generate(messages: BaseMessage[], options: this['ParsedCallOptions']): Promise<ChatResult> {
    const said = await this.#next(messages, options.signal);
    const message = AIMessage.isInstance(said) ? said : (said as readonly AIMessageChunk[]).reduce((a, b) => a.concat(b));
    return { generations: [{ text: message.text, message }] };
  }

  override async *_streamResponseChunks(messages: BaseMessage[], options: this['ParsedCallOptions']): AsyncGenerator<ChatGenerationChunk> {
    const said = await this.#next(messages, options.signal);
    const chunks = AIMessage.isInstance(said) ? [new AIMessageChunk(said as never)] : (said as readonly AIMessageChunk[]);
    for (const message of chunks) yield new ChatGenerationChunk({ text: message.text, message });
  }
}

export const used = (input_tokens: number, output_tokens: number, details: object = {}) => ({
  usage_metadata: { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens, ...details },
});

export const asking = (...calls: readonly { id?: string; name: string; args: Record<string, unknown> }[]) =>
  new AIMessage({ content: '', tool_calls: calls.map((call) => ({ ...call, type: 'tool_call' as const })), ...used(10, 5) });
