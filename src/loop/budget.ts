/**
 * The budget of a tree of agents. What begins is reserved first, in its own part of the run and in all parts above, and released when
 * what it used is in the journal: so agents side by side cannot both take what is left for one.
 *
 * I1. A call begins only where every limit on the way up leaves room for the most that it can use.
 * I2. Each reservation is released exactly once, whatever becomes of its call.
 */
import { BOUND, type Crossed } from '../journal/entries.ts';
import type { RunFold } from '../journal/fold.ts';
import { costUsd } from '../journal/spent.ts';
import { Halted } from '../reliability/patience.ts';
import { type Estimate, estimate } from './estimate.ts';
import type { Crossing, Scope } from './types.ts';

/** What was reserved. `release` it once its cost is in the journal, or the call was not made; a second release does nothing. */
export interface Reservation {
  release(): void;
}

type Limited = Pick<Scope, 'agent' | 'frame' | 'host' | 'tools' | 'limits' | 'run' | 'reserved'> & {
  readonly parent?: Limited | undefined;
};

/**
 * The limit that the next model call (or so many at once) would cross, if any: of this part, or of one that it is a part of.
 * Called before each attempt, so nothing is spent beyond one. Calls that are reserved already count at their most.
 */
export function crossing<S extends Limited>(scope: S, calls = 1): { crossed: Crossed; at: S } | undefined {
  let next: Estimate | undefined;
  for (let at: Limited | undefined = scope; at; at = at.parent) {
    const { limits } = at;
    if (limits.tokens !== undefined || limits.costUsd !== undefined) next ??= estimate(scope);
    const crossed = crossedAt(at, calls, next);
    if (crossed) return { crossed, at: at as S };
  }
  return undefined;
}

function crossedAt({ limits, frame, reserved, run }: Limited, calls: number, next: Estimate | undefined): Crossed | undefined {
  const { spent } = frame;
  // a wrapper that asks again does so in the same step
  if (limits.steps !== undefined && spent.steps + reserved.modelCalls + Math.min(calls, 1) > limits.steps)
    return { name: 'steps', max: limits.steps, used: spent.steps, needed: 1 };
  const full = frame.parent ? undefined : journalCrossed(run);
  if (full) return full;
  if (!next) return undefined;
  if (limits.tokens !== undefined) {
    const { input, output, cacheRead = 0, cacheWrite = 0 } = spent.usage;
    const used = input + output + cacheRead + cacheWrite;
    if (spent.unmetered) return { name: 'tokens', max: limits.tokens, used: null };
    if (used + reserved.tokens + calls * next.tokens > limits.tokens)
      return { name: 'tokens', max: limits.tokens, used, ...needed(next.tokens, calls, next) };
  }
  if (limits.costUsd !== undefined) {
    const used = costUsd(spent);
    // a model that did not report its usage leaves the sum unknown; to go on would be a guess with the user's money
    if (
      used === undefined ||
      next.usd === undefined ||
      reserved.usd === undefined ||
      used + reserved.usd + calls * next.usd > limits.costUsd
    )
      return { name: 'costUsd', max: limits.costUsd, used: used ?? null, ...(used !== undefined && needed(next.usd, calls, next)) };
  }
  return undefined;
}

/** Of calls that are reserved already (`calls` is 0), what one of them takes. */
const needed = (each: number | undefined, calls: number, { guess }: Estimate): Pick<Crossed, 'needed'> =>
  each === undefined || guess ? {} : { needed: each * Math.max(calls, 1) };

/** Entries that one more step may write. */
const ROOM = 1_000;

/** The bound of a journal that one more step could cross. */
export function journalCrossed({ next, size }: Pick<RunFold, 'next' | 'size'>): Crossed | undefined {
  if (next > BOUND.entries - ROOM) return { name: 'journal', max: BOUND.entries, used: next, needed: ROOM };
  if (size > BOUND.size) return { name: 'journal', max: BOUND.size, used: size };
  return undefined;
}

const NOTHING: Reservation = { release() {} };

/**
 * Reserves the next model call. Where a limit leaves no room only because of what others have reserved, it waits: they may use less.
 * The top agent asks no model beside another, so it reserves nothing.
 * @returns the limit that the call would cross. @throws Halted where the run was halted meanwhile.
 */
export function reserveModelCall(scope: Scope): Crossing | Reservation | Promise<Crossing | Reservation> {
  return scope.parent ? reserveBeside(scope) : (crossing(scope) ?? NOTHING);
}

async function reserveBeside(scope: Scope): Promise<Crossing | Reservation> {
  for (;;) {
    const found = crossing(scope);
    if (!found) break;
    if (found.at.reserved.modelCalls === 0) return found;
    await found.at.reserved.released();
    if (scope.halt) throw new Halted();
  }
  const { tokens, usd } = estimate(scope);
  for (const { reserved } of upwards(scope)) reserved.addModelCall(tokens, usd);
  return releasing(() => {
    for (const { reserved } of upwards(scope)) reserved.removeModelCall(tokens, usd);
  });
}

/** How many more tool calls may start, by the limits of this part and of those it is a part of. */
export function callsLeft(scope: Scope): { left: number; crossing: Crossing | undefined } {
  let left = Number.POSITIVE_INFINITY;
  let crossing: Crossing | undefined;
  for (let at: Scope | undefined = scope; at; at = at.parent) {
    const max = at.limits.toolCalls;
    if (max === undefined) continue;
    const used = at.frame.spent.toolCalls;
    const here = max - used - at.reserved.toolCalls;
    if (here >= left) continue;
    left = here;
    crossing = { crossed: { name: 'toolCalls', max, used, needed: 1 }, at };
  }
  return { left, crossing };
}

/** Reserves one tool call, until its start is in the journal. @returns undefined where a limit leaves none. */
export function reserveToolCall(scope: Scope): Reservation | undefined {
  const { left, crossing } = callsLeft(scope);
  if (!crossing) return NOTHING;
  if (left <= 0) return undefined;
  for (const { reserved } of upwards(scope)) reserved.toolCalls++;
  return releasing(() => {
    for (const { reserved } of upwards(scope)) reserved.toolCalls--;
  });
}

function* upwards(scope: Scope): Generator<Scope> {
  for (let at: Scope | undefined = scope; at; at = at.parent) yield at;
}

function releasing(release: () => void): Reservation {
  let released = false;
  return {
    release() {
      if (released) return;
      released = true;
      release();
    },
  };
}
