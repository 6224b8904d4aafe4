/** A conversation as policies see it. */
import { seenOf } from '../../journal/fold/conversation.ts';
import type { Conversation } from '../../ports/compaction.ts';
import type { Message, Part } from '../../ports/model.ts';
import { candidates } from '../../reliability/fallback.ts';
import { atOnce } from '../../reliability/patience.ts';
import { fixedBytes, MAX_OUTPUT } from '../model/estimate.ts';
import type { LoopScope } from '../types.ts';

/** Bytes of a token, about: English has more, JSON and other languages fewer. */
const BYTES = 3;
/** Tokens of an image or a document, about. */
const MEDIA = 2_000;

/** About how many tokens a message has, before it was measured. */
export function roughly({ content }: Message): number {
  let tokens = 0;
  for (const part of content) tokens += ofPart(part);
  return Math.ceil(tokens);
}

function ofPart(part: Part): number {
  switch (part.type) {
    case 'image':
    case 'document':
      return MEDIA;
    case 'toolResult':
      return part.output.reduce((sum, inner) => sum + ofPart(inner), 10);
    case 'text':
    case 'reasoning':
      return Buffer.byteLength(part.text) / BYTES;
    default:
      return Buffer.byteLength(JSON.stringify(part)) / BYTES;
  }
}

/** About how many tokens the next request has: those of the last answer, and what came since. */
function tokensOf({ frame, agent, tools }: LoopScope): number {
  const { size } = frame;
  const messages = seenOf(frame);
  let tokens = size.tokens;
  for (let i = size.messages; i < messages.length; i++) tokens += roughly(messages[i] as Message);
  return size.tokens > 0 ? tokens : tokens + Math.ceil(fixedBytes(agent, { frame, tools }) / BYTES);
}

/** Most tokens of a request to the agent's model; undefined where its window is not known. */
function roomOf({ agent }: LoopScope): number | undefined {
  let room: number | undefined;
  for (const { contextWindow, maxOutput = MAX_OUTPUT } of candidates(agent.model))
    if (contextWindow !== undefined) room = Math.min(room ?? Number.POSITIVE_INFINITY, Math.max(1, contextWindow - maxOutput));
  return room;
}

/** Reads the frame; what takes time is computed when a policy asks for it. */
export class SeenConversation implements Conversation {
  readonly messages: readonly Message[];
  readonly tokens: number;
  readonly room: number | undefined;
  readonly refusals: number;
  readonly #scope: LoopScope;
  #sizes: readonly number[] | undefined;
  #chosen: readonly boolean[] | undefined;
  #pinned: readonly boolean[] | undefined;

  constructor(scope: LoopScope, refusals: number) {
    this.#scope = scope;
    // a copy, because user code may keep it or change it
    this.messages = [...seenOf(scope.frame)];
    this.tokens = tokensOf(scope);
    this.room = roomOf(scope);
    this.refusals = refusals;
  }

  get sizes(): readonly number[] {
    if (this.#sizes) return this.#sizes;
    const { frame, agent, tools } = this.#scope;
    const rough = this.messages.map(roughly);
    const all = rough.reduce((sum, n) => sum + n, fixedBytes(agent, { frame, tools }) / BYTES);
    const scale = all > 0 ? this.tokens / all : 1;
    this.#sizes = rough.map((n) => n * scale);
    return this.#sizes;
  }

  /** What `pin` chose, and the input of the run: nothing of these is left out or cleared. @throws what `pin` throws. */
  get chosen(): readonly boolean[] {
    this.#chosen ??= together(this.messages, this.#choose());
    return this.#chosen;
  }

  get pinned(): readonly boolean[] {
    if (this.#pinned) return this.#pinned;
    const pinned = [...this.chosen];
    if (pinned.length > 0) pinned[pinned.length - 1] = true;
    this.#pinned = together(this.messages, pinned);
    return this.#pinned;
  }

  #choose(): boolean[] {
    const { frame, run, plan } = this.#scope;
    const input = frame.inherited + (frame.parent ? 0 : (run.started.earlier?.length ?? 0));
    return this.messages.map((message, i) => (frame.seen?.at[i] ?? i) === input || (plan.pin && atOnce(plan.pin(message))) === true);
  }
}

/** Calls stay with their results. */
function together(messages: readonly Message[], pinned: readonly boolean[]): boolean[] {
  return pinned.map((own, i) => {
    const other = messages[i]?.role === 'tool' ? i - 1 : messages[i + 1]?.role === 'tool' ? i + 1 : i;
    return own || pinned[other] === true;
  });
}
