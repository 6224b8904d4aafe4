import { RondoError } from '../errors.ts';
import { BOUND, type Crossed, type Limits } from '../journal/entries.ts';
import type { RunFold } from '../journal/fold.ts';
import { costUsd } from '../journal/spent.ts';
import type { Message, Model, ModelResponse } from '../ports/model.ts';
import { cost, reserve } from '../pricing/cost.ts';
import { type Prices, price } from '../pricing/prices.ts';
import { candidates } from '../reliability/fallback.ts';
import { LONGEST_TIMER } from '../reliability/timer.ts';
import { isLoop } from './definition.ts';
import type { AgentDefinition, Crossing, LoopDefinition, Scope } from './types.ts';

/** The limits of a run: its own, else its agent's, else the engine's, each by itself. */
export const DEFAULT_LIMITS: Limits = { steps: 50, depth: 8 };
/** Output tokens reserved for a model that does not say how many it may produce. */
const MAX_OUTPUT = 4096;

export const modelKey = (model: Model) => `${model.provider}/${model.id}`;

/**
 * A dollar limit can only be kept where every model's price is known, in the whole tree.
 * @throws RondoError `CONFIG_INVALID` otherwise.
 */
export function assertPriced(agent: AgentDefinition, limits: Limits, prices: Prices): void {
  const limited = limits.costUsd !== undefined;
  if (limited && isLoop(agent)) {
    const unpriced = candidates(agent.model).find((m) => !price(modelKey(m), prices));
    if (unpriced)
      throw new RondoError(
        'CONFIG_INVALID',
        `the limit costUsd cannot be kept: the price of ${modelKey(unpriced)}, which agent "${agent.name}" asks, is unknown. Give it with new Engine({ prices: { "${modelKey(unpriced)}": { input, output, source, date } } }), in dollars per million tokens.`,
        { details: { model: modelKey(unpriced) } },
      );
  }
  for (const child of agent.agents) assertPriced(child, limited ? limits : child.limits, prices);
}

/** US dollars of an answer; undefined where the price or the usage is unknown. */
export function costOf({ host }: Pick<Scope, 'host'>, model: Model, response: ModelResponse): number | undefined {
  const known = (response.model && price(`${model.provider}/${response.model}`, host.prices)) || price(modelKey(model), host.prices);
  return known && cost(response.usage, known);
}

type Limited = Pick<Scope, 'agent' | 'frame' | 'host' | 'tools' | 'limits' | 'run' | 'flight'> & { readonly parent?: Limited | undefined };

/**
 * The limit that the next model call (or so many at once) would cross, if any: of this part, or of one that it is a part of.
 * Called before each attempt, so nothing is spent beyond one. What is under way beside it counts at its most.
 */
export function crossing<S extends Limited>(scope: S, calls = 1): { crossed: Crossed; at: S } | undefined {
  let next: Reservation | undefined;
  for (let at: Limited | undefined = scope; at; at = at.parent) {
    const { limits } = at;
    if (limits.tokens !== undefined || limits.costUsd !== undefined) next ??= reservation(scope);
    const crossed = crossedAt(at, calls, next);
    if (crossed) return { crossed, at: at as S };
  }
  return undefined;
}

function crossedAt({ limits, frame, flight, run }: Limited, calls: number, next: Reservation | undefined): Crossed | undefined {
  const { spent } = frame;
  // a wrapper that asks again does so in the same step
  if (limits.steps !== undefined && spent.steps + flight.calls + Math.min(calls, 1) > limits.steps)
    return { name: 'steps', max: limits.steps, used: spent.steps, needed: 1 };
  const full = frame.parent ? undefined : journalCrossed(run);
  if (full) return full;
  if (!next) return undefined;
  if (limits.tokens !== undefined) {
    const { input, output, cacheRead = 0, cacheWrite = 0 } = spent.usage;
    const used = input + output + cacheRead + cacheWrite;
    if (spent.unmetered) return { name: 'tokens', max: limits.tokens, used: null };
    if (used + flight.tokens + calls * next.tokens > limits.tokens)
      return { name: 'tokens', max: limits.tokens, used, ...needed(next.tokens, calls, next) };
  }
  if (limits.costUsd !== undefined) {
    const used = costUsd(spent);
    // a model that did not report its usage leaves the sum unknown; going on would be a guess with somebody's money
    if (used === undefined || next.usd === undefined || flight.usd === undefined || used + flight.usd + calls * next.usd > limits.costUsd)
      return { name: 'costUsd', max: limits.costUsd, used: used ?? null, ...(used !== undefined && needed(next.usd, calls, next)) };
  }
  return undefined;
}

/** Of calls that are reserved already (`calls` is 0), what one of them takes. */
const needed = (each: number | undefined, calls: number, { guess }: Reservation): Pick<Crossed, 'needed'> =>
  each === undefined || guess ? {} : { needed: each * Math.max(calls, 1) };

/** Entries that one more step may write. */
const ROOM = 1_000;

/** The bound of a journal that one more step could cross. */
export function journalCrossed({ next, size }: Pick<RunFold, 'next' | 'size'>): Crossed | undefined {
  if (next > BOUND.entries - ROOM) return { name: 'journal', max: BOUND.entries, used: next, needed: ROOM };
  if (size > BOUND.size) return { name: 'journal', max: BOUND.size, used: size };
  return undefined;
}

/** A limit that was reached, in words. */
export function limitText({ name, max, used, needed: more }: Crossed): string {
  const spent = name === 'time' || name === 'deadline' ? '' : `, ${used === null ? 'an unknown amount' : number(used)} used`;
  return `${name} ${number(max)}${spent}${more === undefined ? '' : `; the next call needs up to ${number(more)} more`}`;
}

/** Without the digits that adding up binary fractions leaves. */
const number = (n: number) => String(Number(n.toPrecision(12)));

/** How many more tool calls may start, by the limits of this part and of those it is a part of. */
export function callsLeft(scope: Scope): { left: number; crossing: Crossing | undefined } {
  let left = Number.POSITIVE_INFINITY;
  let crossing: Crossing | undefined;
  for (let at: Scope | undefined = scope; at; at = at.parent) {
    const max = at.limits.toolCalls;
    if (max === undefined) continue;
    const used = at.frame.spent.toolCalls;
    const here = max - used - at.flight.starts;
    if (here >= left) continue;
    left = here;
    crossing = { crossed: { name: 'toolCalls', max, used, needed: 1 }, at };
  }
  return { left, crossing };
}

interface Reservation {
  tokens: number;
  usd: number | undefined;
  /** Of another's agent: enough to stop at a limit that is used up, and no estimate. */
  guess?: true;
}

/** The most that one more model call can cost, with the dearest of its candidates. */
export function reservation(scope: Pick<Scope, 'agent' | 'frame' | 'host' | 'tools'>): Reservation {
  const { agent, frame, host } = scope;
  const { measured, messages } = frame;
  // nobody can say what another's agent will use, but it will be something
  if (!isLoop(agent)) return { tokens: 1, usd: 1e-9, guess: true };
  let bytes = 0;
  for (let i = measured.messages; i < messages.length; i++) bytes += bytesOf(messages[i] as Message);
  if (!measured.fixed) bytes += fixedBytes(agent, scope);
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
  for (const fact of memory ?? []) bytes += Buffer.byteLength(fact) + 3;
  for (const { spec } of tools.values()) bytes += Buffer.byteLength(JSON.stringify(spec));
  if (agent.output) bytes += Buffer.byteLength(JSON.stringify(agent.output.json));
  return bytes;
}

function bytesOf(message: Message): number {
  let bytes = 0;
  for (const part of message.content) {
    if (part.type === 'text' || part.type === 'reasoning') bytes += Buffer.byteLength(part.text);
    else bytes += Buffer.byteLength(JSON.stringify(part));
  }
  return bytes;
}

/** Milliseconds until a deadline is looked at again: it is of the wall clock, which may be set meanwhile. */
const LOOK = 60_000;

/**
 * Calls `cross` once a time limit is used up; at once, where it is already. Working time is measured by the clock that does not jump, a
 * deadline is judged by the one on the wall.
 * @param worked ms so far.
 * @returns what stops watching; undefined where there is no such limit.
 */
export function watchTime(worked: number, { time, deadline }: Limits, cross: (limit: Crossed) => void): (() => void) | undefined {
  if (time === undefined && deadline === undefined) return undefined;
  const began = performance.now() - worked;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const work = time === undefined ? Number.POSITIVE_INFINITY : time - (performance.now() - began);
    const wall = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - Date.now();
    if (time !== undefined && work <= 0) cross({ name: 'time', max: time, used: time });
    else if (deadline !== undefined && wall <= 0) cross({ name: 'deadline', max: deadline, used: deadline });
    else timer = setTimeout(look, Math.ceil(Math.min(work, wall, deadline === undefined ? LONGEST_TIMER : LOOK)));
  };
  look();
  return () => clearTimeout(timer);
}
