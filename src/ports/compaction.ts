/** How a conversation that outgrows its model, or a budget of tokens, is made smaller. */
import type { Message, Model } from './model.ts';

/** A conversation as its model sees it, before a request. */
export interface Conversation {
  readonly messages: readonly Message[];
  /** About how many tokens the request has: the usage of the last answer, and a token for every 3 bytes since. */
  readonly tokens: number;
  /** About how many tokens each of `messages` has. */
  readonly sizes: readonly number[];
  /** By message: true if it must stay. `pin` says so, or it is the input of the run or the newest message. */
  readonly pinned: readonly boolean[];
  /** Most tokens of a request: the model's `contextWindow` less its `maxOutput`. Undefined if the window is not known. */
  readonly room: number | undefined;
  /** How often in a row the model has refused the conversation because it is too long. Above 0, it must become smaller. */
  readonly refusals: number;
}

/** What the model no longer sees. The journal keeps it. Indexes are those of `Conversation.messages`. */
export interface Compacted {
  /** Messages to leave out. Pinned ones stay. A message with calls, and the message with their results, are left out together. */
  drop?: readonly number[];
  /** Results to replace by a reference, by message and part. The model reads one back with the tool `read_result`. */
  clear?: readonly (readonly [message: number, part: number])[];
  /** Replaces the messages that are left out: a text, or the answer of the policy's model to `prompt`. */
  summary?: string | { prompt: string };
}

/** A policy. Rondo has `keepLast`, `clearToolResults` and `summarise`; an object of your own is another. */
export interface Compaction {
  /** 1 to 64 letters, digits, "_" and "-", for the journal and spans. */
  readonly name: string;
  /** The model that writes summaries. Default: the agent's. */
  readonly model?: Model;
  /** It asks a model for summaries. If the process dies during such a call, the most that it can cost is charged. */
  readonly summarises?: true;
  /** It clears results, so the agent is offered `read_result` from its first request on. */
  readonly clears?: true;
  /** Called before each request, in the order of the list. It may take 30 seconds. @returns undefined to change nothing. */
  compact(conversation: Conversation): Compacted | undefined | Promise<Compacted | undefined>;
}
