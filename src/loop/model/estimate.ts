/** The cost of a model call, and the upper bound for the next one. */
import { seenOf } from '../../journal/fold/conversation.ts';
import type { Message, Model, ModelResponse } from '../../ports/model.ts';
import { cost, reserve } from '../../pricing/cost.ts';
import { price } from '../../pricing/prices.ts';
import { candidates } from '../../reliability/fallback.ts';
import { isLoop } from '../definition.ts';
import { blockOf } from '../remembered.ts';
import type { Host, LoopDefinition, Scope } from '../types.ts';

/** The assumed output limit, in tokens, of a model without `maxOutput`. */
export const MAX_OUTPUT = 4096;

/** `provider/id`: the name of a model in prices, journals and spans. */
export const modelKey = (model: Model) => `${model.provider}/${model.id}`;

/** US dollars of an answer; undefined if the price or the usage is unknown. */
export function costOf({ host }: Pick<Scope, 'host'>, model: Model, response: ModelResponse): number | undefined {
  const known = (response.model && price(`${model.provider}/${response.model}`, host.prices)) || price(modelKey(model), host.prices);
  return known && cost(response.usage, known);
}

/** Upper bound on the next model call. */
export interface Estimate {
  /** Of input and output together. */
  tokens: number;
  /** US dollars; undefined if a price is unknown. */
  usd: number | undefined;
  /** For a foreign agent, whose usage cannot be estimated: it stops only at a limit that is reached already. */
  guess?: true;
}

/** Upper bound on the next model call of a frame. */
export function estimate(scope: Pick<Scope, 'agent' | 'frame' | 'host' | 'tools'>): Estimate {
  const { agent, frame, host } = scope;
  const { measured } = frame;
  const messages = seenOf(frame);
  // the smallest positive amount: a foreign agent will use more than nothing
  if (!isLoop(agent)) return { tokens: 1, usd: 1e-9, guess: true };
  let bytes = 0;
  for (let i = measured.messages; i < messages.length; i++) bytes += bytesOf(messages[i] as Message);
  if (!measured.fixed) bytes += fixedBytes(agent, scope);
  // content added by `step` wrappers; content that they removed is counted anyway, so this stays an upper bound
  if (frame.reshaped && !measured.fixed) bytes += Buffer.byteLength(JSON.stringify(frame.reshaped));
  return bound(host, agent.model, { measuredTokens: measured.tokens, newBytes: bytes });
}

/** Upper bound on a call of a model, by the most expensive candidate of a fallback. */
export function bound({ prices }: Pick<Host, 'prices'>, asked: Model, input: { measuredTokens: number; newBytes: number }): Estimate {
  let tokens = 0;
  let usd: number | undefined = 0;
  for (const model of candidates(asked)) {
    const known = price(modelKey(model), prices);
    const most = reserve({ ...input, maxOutput: model.maxOutput ?? MAX_OUTPUT }, known);
    tokens = Math.max(tokens, most.tokens);
    usd = usd === undefined || most.usd === undefined ? undefined : Math.max(usd, most.usd);
  }
  return { tokens, usd };
}

/** Bytes of the parts of every request besides the messages. */
export function fixedBytes(agent: LoopDefinition, { frame, tools }: Pick<Scope, 'frame' | 'tools'>): number {
  const { instructions, memory } = frame;
  let bytes = Buffer.byteLength(instructions ?? (typeof agent.instructions === 'string' ? agent.instructions : ''));
  if (memory?.length) bytes += Buffer.byteLength(blockOf(memory)) + 2;
  for (const { spec } of tools.values()) bytes += Buffer.byteLength(JSON.stringify(spec));
  if (agent.output) bytes += Buffer.byteLength(JSON.stringify(agent.output.json));
  return bytes;
}

/** Bytes, because no tokenizer makes more tokens than bytes; it may make more than characters. */
export function bytesOf(message: Message): number {
  let bytes = 0;
  for (const part of message.content) {
    if (part.type === 'text' || part.type === 'reasoning') bytes += Buffer.byteLength(part.text);
    else bytes += Buffer.byteLength(JSON.stringify(part));
  }
  return bytes;
}
