/** What model calls cost: of one that was made, and at most of the next one. */
import type { Message, Model, ModelResponse } from '../ports/model.ts';
import { cost, reserve } from '../pricing/cost.ts';
import { price } from '../pricing/prices.ts';
import { candidates } from '../reliability/fallback.ts';
import { isLoop } from './definition.ts';
import type { LoopDefinition, Scope } from './types.ts';

/** Output tokens assumed for a model that does not say how many it may produce. */
const MAX_OUTPUT = 4096;

export const modelKey = (model: Model) => `${model.provider}/${model.id}`;

/** US dollars of an answer; undefined where the price or the usage is unknown. */
export function costOf({ host }: Pick<Scope, 'host'>, model: Model, response: ModelResponse): number | undefined {
  const known = (response.model && price(`${model.provider}/${response.model}`, host.prices)) || price(modelKey(model), host.prices);
  return known && cost(response.usage, known);
}

/** The most that one more model call can use. */
export interface Estimate {
  tokens: number;
  usd: number | undefined;
  /** Of a foreign agent: it stops at a limit that is used up, and tells nothing of the amount. */
  guess?: true;
}

/** The most that one more model call can cost, with the dearest of its candidates. */
export function estimate(scope: Pick<Scope, 'agent' | 'frame' | 'host' | 'tools'>): Estimate {
  const { agent, frame, host } = scope;
  const { measured, messages } = frame;
  // what a foreign agent will use is unknown, but it is more than nothing
  if (!isLoop(agent)) return { tokens: 1, usd: 1e-9, guess: true };
  let bytes = 0;
  for (let i = measured.messages; i < messages.length; i++) bytes += bytesOf(messages[i] as Message);
  if (!measured.fixed) bytes += fixedBytes(agent, scope);
  // what `step` wrappers put in; what they left out is counted all the same
  if (frame.reshaped && !measured.fixed) bytes += Buffer.byteLength(JSON.stringify(frame.reshaped));
  let tokens = 0;
  let usd: number | undefined = 0;
  for (const model of candidates(agent.model)) {
    const known = price(modelKey(model), host.prices);
    const bound = reserve({ measuredTokens: measured.tokens, newBytes: bytes, maxOutput: model.maxOutput ?? MAX_OUTPUT }, known);
    tokens = Math.max(tokens, bound.tokens);
    usd = usd === undefined || bound.usd === undefined ? undefined : Math.max(usd, bound.usd);
  }
  return { tokens, usd };
}

/** Bytes of what is sent with every request besides the messages. */
function fixedBytes(agent: LoopDefinition, { frame, tools }: Pick<Scope, 'frame' | 'tools'>): number {
  const { instructions, memory } = frame;
  let bytes = Buffer.byteLength(instructions ?? (typeof agent.instructions === 'string' ? agent.instructions : ''));
  for (const { text } of memory ?? []) bytes += Buffer.byteLength(text) + 3;
  for (const { spec } of tools.values()) bytes += Buffer.byteLength(JSON.stringify(spec));
  if (agent.output) bytes += Buffer.byteLength(JSON.stringify(agent.output.json));
  return bytes;
}

/** In bytes, which no tokenizer exceeds, unlike characters. */
function bytesOf(message: Message): number {
  let bytes = 0;
  for (const part of message.content) {
    if (part.type === 'text' || part.type === 'reasoning') bytes += Buffer.byteLength(part.text);
    else bytes += Buffer.byteLength(JSON.stringify(part));
  }
  return bytes;
}
