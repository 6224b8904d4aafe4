import { invalid, ToolError } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import type { Model, ModelRequest, ModelResponse, ModelSettings } from '../../ports/model.ts';
import { askedWithMedia } from '../../ports/sendable/media.ts';
import { type Aliases, aliases } from '../../ports/sendable/names.ts';
import { wellFormed, wellFormedJson } from '../../ports/sendable/text.ts';
import { modelFailure } from './failure.ts';
import { messagesOf } from './messages.ts';
import { type Answer, callDeltas, deltasOf, responseOf } from './response.ts';

/** The members of a chat model that are used: any LangChain `BaseChatModel` has them. */
export interface ChatModelLike {
  invoke(input: never, options?: never): Promise<unknown>;
  stream(input: never, options?: never): Promise<AsyncIterable<unknown>>;
  bindTools?(tools: never, options?: never): unknown;
  getLsParams?(options: never): unknown;
}

export interface LangchainModelOptions {
  /** Prices and spans name the model `provider/id`. Default: from the chat model. */
  provider?: string;
  id?: string;
  /** The most output tokens of one call, which token and dollar limits reserve. Default: the chat model's `maxTokens`, else 4096. */
  maxOutput?: number;
  /**
   * Asks `ChatAnthropic` and `ChatBedrockConverse` for cache points, by their call option `cache_control`. Only with classes that know it:
   * @langchain/anthropic 1, @langchain/aws 1.4. Default false. Other providers cache by themselves.
   */
  cache?: boolean;
  /** The most tokens of a request and its answer, for the policies of `compact`. Default: not known. */
  contextWindow?: number;
}

const OPTIONS = {
  provider: "provider: 'openai'",
  id: "id: 'gpt-x'",
  maxOutput: 'maxOutput: 4_096',
  cache: 'cache: true',
  contextWindow: 'contextWindow: 200_000',
} satisfies Record<keyof LangchainModelOptions, string>;

interface CallOptions {
  signal: AbortSignal;
  cache_control?: { type: 'ephemeral' };
}
interface Bound {
  invoke(input: unknown, options: CallOptions): Promise<unknown>;
  stream(input: unknown, options: CallOptions): Promise<AsyncIterable<unknown>>;
}
type Chunk = Answer & { concat(other: Chunk): Chunk };

/**
 * A LangChain chat model as a Rondo model. Set `maxRetries: 0`: the engine retries, and LangChain would repeat each of its attempts up
 * to seven times.
 *
 * Text, images, documents, reasoning and calls work in both directions; provider blocks (signed reasoning) are sent back to their
 * provider. An answer with a schema is requested in the prompt. Failures are ToolErrors, by LangChain's codes or the engine's error
 * table.
 * @throws RondoError `CONFIG_INVALID` if it is not a chat model.
 */
export function langchainModel(model: ChatModelLike, o: LangchainModelOptions = {}): Model {
  if (typeof model?.invoke !== 'function' || typeof model.stream !== 'function')
    throw invalid('langchainModel() takes a chat model of LangChain, such as new ChatOpenAI({ model, maxRetries: 0 }).');
  checkOptions(o, OPTIONS, 'langchainModel()', { cache: 'flag' });
  const said = describe(model);
  const id = o.id ?? said.id;
  const maxOutput = o.maxOutput ?? said.maxOutput;
  return {
    provider: o.provider ?? said.provider,
    id,
    maxOutput,
    contextWindow: o.contextWindow,
    settings: said.settings,
    async generate(request, { signal, emit, alive }) {
      signal.throwIfAborted();
      const listener: { threw?: { error: unknown } } = {};
      let heard = false;
      const once = async (asked: ModelRequest): Promise<ModelResponse> => {
        const tools = aliases(TOOL_NAME);
        const bound = bind(model, asked, id, tools);
        const messages = messagesOf(asked, id, tools);
        const options: CallOptions = o.cache ? { signal, cache_control: { type: 'ephemeral' } } : { signal };
        if (!emit) return responseOf((await bound.invoke(messages, options)) as Answer, id, tools);
        const callsOf = callDeltas(tools.original);
        let whole: Chunk | undefined;
        for await (const chunk of (await bound.stream(messages, options)) as AsyncIterable<Chunk>) {
          heard = true;
          alive?.();
          try {
            for (const delta of [...deltasOf(chunk), ...callsOf(chunk)]) emit(delta);
          } catch (error) {
            listener.threw = { error };
            throw error;
          }
          whole = whole ? whole.concat(chunk) : chunk;
        }
        // some streams end without an error here, and a partial text is not an answer
        signal.throwIfAborted();
        return responseOf(whole, id, tools);
      };
      try {
        return await askedWithMedia(request, once, () => signal.aborted || heard);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw listener.threw ? listener.threw.error : modelFailure(error, id);
      }
    },
  };
}

const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

function bind(model: ChatModelLike, { tools, toolChoice }: ModelRequest, id: string, names: Aliases): Bound {
  if (tools.length === 0) return model as unknown as Bound;
  if (!model.bindTools) throw new ToolError('VALIDATION', `"${id}" takes no tools: its class has no bindTools().`, { outcome: 'not-run' });
  // the format that every provider's bindTools() accepts
  const specs = tools.map(({ name, description, input }) => ({
    type: 'function',
    function: { name: names.alias(name), description: wellFormed(description), parameters: wellFormedJson(input) },
  }));
  if (toolChoice === undefined) return model.bindTools(specs as never) as Bound;
  // `any` is LangChain's word in every provider's class; a name stands for that tool
  const choice = typeof toolChoice === 'object' ? names.alias(toolChoice.tool) : toolChoice === 'required' ? 'any' : toolChoice;
  return model.bindTools(specs as never, { tool_choice: choice } as never) as Bound;
}

function describe(model: ChatModelLike): { provider: string; id: string; maxOutput?: number; settings: ModelSettings } {
  const { model: own, modelName, maxTokens, temperature, topP } = model as unknown as { readonly [k: string]: unknown };
  let said: { ls_provider?: unknown; ls_model_name?: unknown } = {};
  try {
    said = (model.getLsParams?.({} as never) ?? {}) as typeof said;
  } catch {
    // it is only a name
  }
  const first = (...names: unknown[]) => names.find((name): name is string => typeof name === 'string' && name !== '');
  const provider = first(said.ls_provider)?.toLowerCase() ?? 'langchain';
  return {
    // the name under which its prices are known
    provider: provider === 'amazon_bedrock' ? 'bedrock' : provider,
    id: first(said.ls_model_name, own, modelName) ?? 'unknown',
    ...(typeof maxTokens === 'number' && maxTokens > 0 && { maxOutput: maxTokens }),
    settings: { ...(typeof temperature === 'number' && { temperature }), ...(typeof topP === 'number' && { topP }) },
  };
}
