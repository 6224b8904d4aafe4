import type { Mistake } from '../errors.ts';
import type { Json } from '../json.ts';
import type { JsonSchema } from '../schema.ts';

/**
 * A part of a message. `data` is base64. `vendor` is data that an adapter must get back unchanged (signatures of reasoning, cache points);
 * nothing else reads it.
 */
export type Part =
  | { type: 'text'; text: string; vendor?: Json }
  | { type: 'reasoning'; text: string; vendor?: Json }
  | { type: 'image' | 'document'; mediaType: string; data: string; name?: string; vendor?: Json }
  | { type: 'toolCall'; id: string; name: string; input: Json; vendor?: Json }
  | { type: 'toolResult'; id: string; output: readonly Part[]; isError?: boolean; cleared?: Cleared };
/** A call that a model asks for. `id` is that of the provider, by which the result refers to it. */
export type ToolCallPart = Extract<Part, { type: 'toolCall' }>;
/** What a call gave: the result of the call with this `id` in the message before. */
export type ToolResultPart = Extract<Part, { type: 'toolResult' }>;

/** A result that was replaced by a reference: only the engine sets it. `run`: the run in which it was, and whose journal has the whole. */
export type Cleared = { ref: string; run: string };

/** A `tool` message has the results of all calls of the preceding assistant message, in the same order. */
export type Message = {
  role: 'user' | 'assistant' | 'tool';
  content: readonly Part[];
  /** It stands in the place of messages that were left out: only the engine sets it. */
  summary?: true;
};
/** A string stands for one text part. */
export type Prompt = string | readonly Part[];

/** A message of a conversation that the application stored itself. A string stands for one text part. */
export type InputMessage =
  // `type`, which only parts have, gives better compiler errors: it distinguishes messages from parts
  | {
      role: 'system';
      content: Mistake<"What an agent is always told are its instructions: agent({ instructions: 'Be kind.' })">;
      type?: undefined;
    }
  | { role: Message['role']; content: Prompt; type?: undefined };
/**
 * The input of an agent: a text, parts, or a conversation that ends with a user message. Calls in it are not repeated: each has its result
 * in a following `tool` message. There are no `system` messages; use the agent's instructions.
 */
export type AgentInput = Prompt | readonly InputMessage[];

/** A tool as the model sees it. */
export type ToolSpec = {
  name: string;
  description: string;
  input: JsonSchema;
};

/**
 * Whether the model calls a tool: it decides (`auto`), never (`none`), at least one (`required`), or this one.
 */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly tool: string };

/** What a model is asked. It must not be changed. */
export interface ModelRequest {
  /** What the agent is always told, with what its memory recalled. Empty: nothing. */
  readonly instructions: string;
  /** The list grows during the run, so an adapter that keeps it after its `generate` call must copy it. */
  readonly messages: readonly Message[];
  /** Those that may be called in this step. Their names are unique. */
  readonly tools: readonly ToolSpec[];
  /** Default `auto`. It requires a call in the first step only. */
  readonly toolChoice?: ToolChoice;
  /** The final answer must be JSON of this schema. */
  readonly output?: JsonSchema;
}

/** In tokens. `input` counts uncached input only; `output` includes `reasoning`. */
export interface Usage {
  input: number;
  output: number;
  /** Input that came from the provider's cache. */
  cacheRead?: number;
  /** Input that was written to the provider's cache. */
  cacheWrite?: number;
  /** The part of `output` that is reasoning. */
  reasoning?: number;
}

/** One answer. A `content` or `stop` of another form fails the call with `MODEL_FAILED`; another field of a wrong type is left out. */
export interface ModelResponse {
  /** Text, reasoning, images, documents and calls, in the order of the answer. Results of calls are refused. */
  content: readonly Part[];
  /** `length`: cut off at the output limit; `context`: the conversation fills the model's context. */
  stop: 'end' | 'tools' | 'length' | 'context' | 'blocked';
  /** Absent: the cost of the run is unknown from then on, and a limit of tokens or dollars stops it. */
  usage?: Usage;
  /** The model that answered, if it differs from the one that was asked. */
  model?: string;
  /** The provider's id of the answer, for telemetry. */
  id?: string;
}
/**
 * A fragment of a streamed answer. `toolCall`: `text` is the next fragment of the arguments' JSON, `id` the provider's id of the call,
 * `name` the tool's name.
 */
export type ModelDelta = { type: 'text' | 'reasoning'; text: string } | { type: 'toolCall'; id: string; name: string; text: string };

/** The settings of an adapter, as far as they are known. Only telemetry reads them. */
export interface ModelSettings {
  readonly temperature?: number;
  readonly topP?: number;
  /** The address of the provider, `host` or `host:port`. */
  readonly server?: string;
}

/** The context of one model call. */
export interface ModelCall {
  /** Aborted when the attempt times out, or the run is cancelled. */
  readonly signal: AbortSignal;
  /** Streams deltas. Set while there is a listener. It reports progress too. */
  readonly emit?: (d: ModelDelta) => void;
  /** Reports progress: restarts the attempt's timeout. */
  readonly alive?: () => void;
}

/** A model of a provider. An adapter makes it; `generate` is its only call. */
export interface Model {
  /** The price table and the spans name a model `provider/id`. */
  readonly provider: string;
  /** As the provider names it. */
  readonly id: string;
  /** Most output tokens of one call. Dollar and token limits reserve them. Default 4096. */
  readonly maxOutput?: number;
  /** Most tokens of a request and its answer together, if it is known. Policies of `compact` act before it is reached. */
  readonly contextWindow?: number;
  readonly settings?: ModelSettings;
  /** Set by stand-ins such as scripted models, so that journals and spans mark their answers. */
  readonly standin?: boolean;
  /**
   * Stream if `emit` is set, which is only while there is a listener. Otherwise a call without streaming is enough.
   * Call `alive` for every chunk, so that a long stream does not time out.
   * Throw a `ToolError`, or the SDK's own error: AWS, HTTP and Node errors are classified by tables.
   */
  generate(request: ModelRequest, call: ModelCall): Promise<ModelResponse>;
}
