import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import type { ModelDelta, Usage } from '../../ports/model.ts';
import type { Raised } from './asks.ts';

/** An interrupt, and the namespace of the innermost graph that raised it. */
export interface Interruption extends Raised {
  ns: readonly string[];
}

export interface Drained {
  /** The graph's last output; undefined if it gave none. */
  output: unknown;
  interrupts: readonly Interruption[];
}

type Chunk = readonly [namespace: readonly string[], mode: string, payload: unknown];
type Record_ = { readonly [k: string]: unknown };

/**
 * Reads a graph's stream to its end. A graph reports only one interrupt of each of its nodes. If several branches of a subgraph
 * interrupt at once, the others are seen only where they are raised.
 */
export async function drain(stream: AsyncIterable<unknown>, emit: ((delta: ModelDelta) => void) | undefined): Promise<Drained> {
  let output: unknown;
  const interrupts = new Map<string, Interruption>();
  for await (const chunk of stream) {
    const [ns, mode, payload] = chunk as Chunk;
    if (mode === 'messages') say(payload, emit);
    else if (mode === 'custom') pass(payload, emit);
    else if (mode === 'values' && ns.length === 0) {
      if (!isInterrupt(payload)) output = payload;
    } else if (mode === 'updates' && isInterrupt(payload))
      for (const raised of payload.__interrupt__) {
        // the innermost graph reports it first
        if (!interrupts.has(raised.id)) interrupts.set(raised.id, { ...raised, ns });
      }
  }
  return { output, interrupts: [...interrupts.values()] };
}

const isInterrupt = (payload: unknown): payload is { __interrupt__: readonly Raised[] } =>
  typeof payload === 'object' && payload !== null && Array.isArray((payload as Record_).__interrupt__);

/** A model's text, as it streams. */
function say(payload: unknown, emit: ((delta: ModelDelta) => void) | undefined): void {
  const [message] = payload as [{ getType?(): string; text?: unknown }];
  if (message?.getType?.() === 'ai' && typeof message.text === 'string' && message.text !== '')
    emit?.({ type: 'text', text: message.text });
}

/** Text that a node writes itself. */
function pass(payload: unknown, emit: ((delta: ModelDelta) => void) | undefined): void {
  const { type, text } = (payload ?? {}) as Record_;
  if ((type === 'text' || type === 'reasoning') && typeof text === 'string') emit?.({ type, text });
}

interface Counted {
  input_tokens?: number;
  output_tokens?: number;
  input_token_details?: { cache_read?: number; cache_creation?: number };
  output_token_details?: { reasoning?: number };
}

/** Sums the usage of a graph's models, wherever in it they are called. */
export class Meter extends BaseCallbackHandler {
  name = 'rondo';
  // counted before the graph continues
  override awaitHandlers = true;
  /** Undefined if no model was called. */
  usage: Usage | undefined;
  /** False if a model did not report its usage: the real usage is higher than `usage`, and the cost is unknown. */
  complete = true;

  override handleLLMEnd(output: { generations: readonly (readonly unknown[])[] }): void {
    for (const { message } of output.generations.flat() as { message?: { usage_metadata?: Counted } }[]) {
      const u = message?.usage_metadata;
      if (u?.input_tokens === undefined || u.output_tokens === undefined) this.complete = false;
      this.#add(u?.input_tokens ?? 0, u?.output_tokens ?? 0, u ?? {});
    }
  }

  #add(input: number, output: number, { input_token_details: i = {}, output_token_details: o = {} }: Counted): void {
    const { cache_read = 0, cache_creation = 0 } = i;
    const sum = this.usage ?? { input: 0, output: 0 };
    sum.input += Math.max(0, input - cache_read - cache_creation);
    sum.output += output;
    if (cache_read) sum.cacheRead = (sum.cacheRead ?? 0) + cache_read;
    if (cache_creation) sum.cacheWrite = (sum.cacheWrite ?? 0) + cache_creation;
    if (o.reasoning) sum.reasoning = (sum.reasoning ?? 0) + o.reasoning;
    this.usage = sum;
  }
}
