import type { Mistake } from '../errors.ts';
import type { Json } from '../json.ts';
import type { JsonSchema } from '../schema.ts';

/**
 * One piece of a message. `data` is base64. `vendor` is what an adapter needs to get back unchanged
 * (signatures of reasoning, cache points); no other part reads it.
 */
export type Part =
  | { type: 'text'; text: string; vendor?: Json }
  | { type: 'reasoning'; text: string; vendor?: Json }
  | { type: 'image' | 'document'; mediaType: string; data: string; name?: string; vendor?: Json }
  | { type: 'toolCall'; id: string; name: string; input: Json; vendor?: Json }
  | { type: 'toolResult'; id: string; output: readonly Part[]; isError?: boolean };
export type ToolCallPart = Extract<Part, { type: 'toolCall' }>;
export type ToolResultPart = Extract<Part, { type: 'toolResult' }>;

/** `tool` messages hold the results of all calls of the assistant message before them, in the order asked. */
export interface Message {
  role: 'user' | 'assistant' | 'tool';
  content: readonly Part[];
}
export type Prompt = string | readonly Part[];

/** A message of a conversation that the application kept itself. A text is one part. */
export type InputMessage =
  // `type`, which only parts have, is here for the compiler: by it, its errors tell the two apart
  | {
      role: 'system';
      content: Mistake<"What an agent is always told are its instructions: agent({ instructions: 'Be kind.' })">;
      type?: undefined;
    }
  | { role: Message['role']; content: Prompt; type?: undefined };
/**
 * What an agent is asked: a text, parts, or a conversation whose last message is the user's. The calls in it are not made again: each has
 * its result in a `tool` message behind it. What is always told, elsewhere a message of the role `system`, are the agent's instructions.
 */
export type AgentInput = Prompt | readonly InputMessage[];

/** A tool as the model sees it. */
export interface ToolSpec {
  name: string;
  description: string;
  input: JsonSchema;
}

/**
 * Whether the model calls a tool: as it likes (`auto`), never (`none`), at least one (`required`), or this one.
 */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly tool: string };

export interface ModelRequest {
  readonly instructions: string;
  /** Grows during the run: an adapter that keeps it beyond its `generate` call must copy it. */
  readonly messages: readonly Message[];
  readonly tools: readonly ToolSpec[];
  /** Left out: `auto`. Forces a call in the first step only. */
  readonly toolChoice?: ToolChoice;
  /** The final answer must be JSON of this schema. */
  readonly output?: JsonSchema;
}

/** In tokens. `input` counts uncached input only; `output` includes `reasoning`. */
export interface Usage {
  input: number;
  output: number;
  cacheRead?: number;
  cacheWrite?: number;
  reasoning?: number;
}

export interface ModelResponse {
  content: readonly Part[];
  /** `length`: cut off at the output limit; `context`: the conversation fills the model's context. */
  stop: 'end' | 'tools' | 'length' | 'context' | 'blocked';
  usage?: Usage;
  /** The model that answered, where it differs from the one asked. */
  model?: string;
  /** The provider's id of the answer, for telemetry. */
  id?: string;
}
/**
 * A piece of an answer that is being written. `toolCall`: `text` is a fragment of the arguments' JSON, in order; `id` is the provider's id
 * of the call, `name` the tool's.
 */
export type ModelDelta = { type: 'text' | 'reasoning'; text: string } | { type: 'toolCall'; id: string; name: string; text: string };

/** What an adapter asks for with every call, as far as it knows. Only telemetry reads it. */
export interface ModelSettings {
  readonly temperature?: number;
  readonly topP?: number;
  /** Where the provider is asked, `host` or `host:port`. */
  readonly server?: string;
}

/** What one call of a model is given. */
export interface ModelCall {
  /** Aborted when the attempt is given up, or the run is cancelled. */
  readonly signal: AbortSignal;
  /** Set while somebody listens. What it shows is a sign of life too. */
  readonly emit?: (d: ModelDelta) => void;
  /** A sign of life: the attempt's timeout, the longest silence, begins again. */
  readonly alive?: () => void;
}

export interface Model {
  /** The price table and the spans name a model `provider/id`. */
  readonly provider: string;
  readonly id: string;
  /** The most output tokens one call can produce; a dollar or token limit reserves them. Default 4096. */
  readonly maxOutput?: number;
  readonly settings?: ModelSettings;
  /** Set by stand-ins, so that no journal or span passes their words off as a model's. */
  readonly standin?: boolean;
  /**
   * `emit` is set only while somebody listens: with it, stream; without it, the one-shot call will do.
   * A stream that goes on may take long: call `alive` for every piece that comes, shown or not.
   * Throw a `ToolError`, or the SDK's own error: the classification tables know AWS, HTTP and Node errors.
   */
  generate(request: ModelRequest, call: ModelCall): Promise<ModelResponse>;
}
