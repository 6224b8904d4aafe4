/**
 * Budget reservations for agents that run in parallel. Each call first reserves the most that it can use, in its own frame and in all
 * frames above. The reservation is released when the real usage is in the journal. So two agents cannot both spend the rest of a limit.
 *
 * I1. A call starts only if every limit, of its own frame and those above, has room for the most that it can use.
 * I2. Each reservation is released exactly once, however its call ends.
 */

import { type Amount, BOUND, type Crossed } from '../journal/entries/entries.ts';
import { add, millionthsOf, rounded, usedOf } from '../journal/fold/amounts.ts';
import type { RunFold } from '../journal/fold/fold.ts';
import { costUsd, isUnmetered, nanoOf, totalOf } from '../journal/fold/spent.ts';
import { Halted } from '../reliability/patience.ts';
import { type Estimate, estimate } from './model/estimate.ts';
import type { Starting } from './reserved.ts';
import type { AnyToolOptions, Crossing, Scope } from './types.ts';

/** `release` it when the cost is in the journal, or if the call was not made. A second release does nothing. */
export interface Reservation {
  release(): void;
  /** The sums have it once the entry of this number is applied. */
  countedFrom?(seq: number): void;
}

/** A frame with its limits, and those above it. */
export type Limited = Pick<Scope, 'agent' | 'frame' | 'host' | 'tools' | 'limits' | 'run' | 'reserved'> & {
  readonly parent?: Limited | undefined;
};

/**
 * The limit that the next model call (or `calls` calls) would cross, of this frame or of one above; undefined if there is none. `bound`: the
 * most that one can use. `steps`: how many more steps they are.
 * It is called before each attempt, so no limit is overspent. Reserved calls count at their upper bound.
 */
export function crossing<S extends Limited>(
  scope: S,
  calls = 1,
  bound: () => Estimate = () => estimate(scope),
  // several calls by a wrapper belong to one step
  steps = Math.min(calls, 1),
): { crossed: Crossed; at: S } | undefined {
  let next: Estimate | undefined;
  for (let at: Limited | undefined = scope; at; at = at.parent) {
    const { limits } = at;
    if (limits.tokens !== undefined || limits.costUsd !== undefined) next ??= bound();
    const crossed = crossedAt(at, calls, next, steps);
    if (crossed) return { crossed, at: at as S };
  }
  return undefined;
}

function crossedAt(
  { limits, frame, reserved, run }: Limited,
  calls: number,
  next: Estimate | undefined,
  steps: number,
): Crossed | undefined {
  const { spent } = frame;
  if (limits.steps !== undefined && spent.steps + reserved.modelCalls + steps > limits.steps)
    return { name: 'steps', max: limits.steps, used: spent.steps, needed: 1 };
  const full = frame.parent ? undefined : journalCrossed(run);
  if (full) return full;
  if (!next) return undefined;
  if (limits.tokens !== undefined) {
    const used = totalOf(spent.usage);
    if (isUnmetered(spent)) return { name: 'tokens', max: limits.tokens, used: null };
    if (used + reserved.tokens + calls * next.tokens > limits.tokens)
      return { name: 'tokens', max: limits.tokens, used, ...needed(next.tokens, calls, next) };
  }
  if (limits.costUsd !== undefined) {
    const used = costUsd(spent);
    const tools = reserved.nanoUsd(run.next) / 1e9;
    // with an unknown sum or price the limit cannot be guaranteed, so it counts as crossed
    if (
      used === undefined ||
      next.usd === undefined ||
      reserved.usd === undefined ||
      used + reserved.usd + tools + calls * next.usd > limits.costUsd
    )
      return { name: 'costUsd', max: limits.costUsd, used: used ?? null, ...(used !== undefined && needed(next.usd, calls, next)) };
  }
  return undefined;
}

/** A crossed limit with what is used by now: what ran beside the call that it stopped may have ended since. */
export function usedNow(crossed: Crossed, { frame: { spent } }: Pick<Scope, 'frame'>): Crossed {
  const { name, unit = '' } = crossed;
  switch (name) {
    case 'tokens':
      return { ...crossed, used: isUnmetered(spent) ? null : totalOf(spent.usage) };
    case 'costUsd':
      return { ...crossed, used: costUsd(spent) ?? null };
    case 'toolCalls':
      return { ...crossed, used: spent.toolCalls };
    case 'amounts':
      return { ...crossed, used: usedOf(spent, unit) / 1e6 };
    default:
      return crossed;
  }
}

/** What the calls need beyond what is used. For a call that is reserved already (`calls` is 0), what that one needs. */
const needed = (each: number | undefined, calls: number, { guess }: Estimate): Pick<Crossed, 'needed'> =>
  each === undefined || guess ? {} : { needed: each * Math.max(calls, 1) };

/** Most entries of one step. */
const ROOM = 1_000;

/** The journal limit that one more step could cross. */
export function journalCrossed({ next, size }: Pick<RunFold, 'next' | 'size'>): Crossed | undefined {
  if (next > BOUND.entries - ROOM) return { name: 'journal', max: BOUND.entries, used: next, needed: ROOM };
  if (size > BOUND.size) return { name: 'journal', max: BOUND.size, used: size };
  return undefined;
}

const NOTHING: Reservation = { release() {} };

/**
 * Reserves the next model call. If a limit has no room only because of other reservations, it waits, because those may use less.
 * The top agent makes no model calls in parallel with others, so it reserves nothing.
 * @returns the reservation, or the limit that the call would cross. @throws Halted if the run was halted meanwhile.
 */
export function reserveModelCall(
  scope: Scope,
  bound: () => Estimate = () => estimate(scope),
): Crossing | Reservation | Promise<Crossing | Reservation> {
  return scope.parent ? reserveBeside(scope, bound) : (crossing(scope, 1, bound) ?? NOTHING);
}

async function reserveBeside(scope: Scope, bound: () => Estimate): Promise<Crossing | Reservation> {
  for (;;) {
    const found = crossing(scope, 1, bound);
    if (!found) break;
    if (found.at.reserved.modelCalls === 0) return found;
    await found.at.reserved.released();
    if (scope.halt) throw new Halted();
  }
  const { tokens, usd } = bound();
  for (const { reserved } of upwards(scope)) reserved.addModelCall(tokens, usd);
  return releasing(() => {
    for (const { reserved } of upwards(scope)) reserved.removeModelCall(tokens, usd);
  });
}

/** How many more tool calls may start, by the limits of this frame and of those above. */
export function callsLeft(scope: Scope): { left: number; crossing: Crossing | undefined } {
  let left = Number.POSITIVE_INFINITY;
  let crossing: Crossing | undefined;
  for (const at of scope.limitedBy.toolCalls ?? []) {
    const max = at.limits.toolCalls as number;
    const used = at.frame.spent.toolCalls;
    const here = max - used - at.reserved.toolCalls(at.run.next);
    if (here >= left) continue;
    left = here;
    crossing = { crossed: { name: 'toolCalls', max, used, needed: 1 }, at };
  }
  return { left, crossing };
}

/** What a call needs of the limits besides its place. `cost` is its tool's. */
export interface Needs {
  /** By unit, as the tool declares it of this call. Undefined: none. */
  readonly amount?: Amount | undefined;
  readonly cost?: AnyToolOptions['cost'];
}

/** A call that was prepared. */
interface Prepared {
  readonly amount?: Amount | undefined;
  readonly tool: { readonly options: Pick<AnyToolOptions, 'cost'> };
}

/** What a prepared call needs: its own amounts, and the cost that its tool declares. */
export const needsOf = ({ amount, tool }: Prepared): Needs => ({ amount, cost: tool.options.cost });

/** The limit that a call would cross, of this frame or of one above. Reserved calls count. */
export const needsCrossing = (scope: Scope, { amount, cost }: Needs): Crossing | undefined =>
  amountCrossing(scope, amount) ?? costCrossing(scope, cost);

function amountCrossing(scope: Scope, amount: Amount | undefined): Crossing | undefined {
  if (!amount) return undefined;
  for (const at of scope.limitedBy.amounts ?? [])
    for (const [unit, n] of Object.entries(amount)) {
      const max = at.limits.amounts?.[unit];
      const used = usedOf(at.frame.spent, unit);
      if (max === undefined || used + at.reserved.amount(unit, at.run.next) + millionthsOf(n) <= millionthsOf(max)) continue;
      return { crossed: { name: 'amounts', unit, max: rounded(max), used: used / 1e6, needed: n }, at };
    }
  return undefined;
}

/** The dollar limit that an attempt would cross. A cost that is known only afterwards needs more than nothing: it stops at a limit that is reached. */
function costCrossing(scope: Scope, cost: Needs['cost']): Crossing | undefined {
  if (cost === undefined) return undefined;
  const nano = typeof cost === 'number' ? nanoOf(cost) : 1;
  for (const at of scope.limitedBy.costUsd ?? []) {
    const max = at.limits.costUsd as number;
    const used = costUsd(at.frame.spent);
    const { usd } = at.reserved;
    // an unknown sum counts as crossed, as before a model call
    if (used !== undefined && usd !== undefined && nanoOf(used) + nanoOf(usd) + at.reserved.nanoUsd(at.run.next) + nano <= nanoOf(max))
      continue;
    return {
      crossed: { name: 'costUsd', max, used: used ?? null, ...(used !== undefined && typeof cost === 'number' && { needed: cost }) },
      at,
    };
  }
  return undefined;
}

/**
 * Resolves when a model call ends whose reservation leaves no room for the cost of these calls: it may use less. Undefined if no
 * reservation stands in the way.
 */
export function roomLater(scope: Scope, calls: readonly Needs[]): Promise<void> | undefined {
  for (const { cost } of calls) {
    const at = costCrossing(scope, cost)?.at;
    if (at && at.reserved.modelCalls > 0) return at.reserved.released();
  }
  return undefined;
}

/**
 * Reserves one tool call until its start, the entry of this number, is in the journal.
 * @param counted an earlier start of it was counted as a call. @param worth its amounts count from that start on.
 * @returns undefined if a limit allows no more.
 */
export function reserveToolCall(scope: Scope, call: Prepared, seq: number, counted = false, worth = false): Reservation | undefined {
  const { amount: declared, cost } = needsOf(call);
  const amount = worth ? undefined : declared;
  const { toolCalls } = scope.limitedBy;
  if ((counted || !toolCalls) && !amount && cost === undefined) return NOTHING;
  if ((!counted && callsLeft(scope).left <= 0) || needsCrossing(scope, { amount, cost })) return undefined;
  return reserving(scope, { calls: counted ? 0 : 1, amount, cost }, seq);
}

/** Reserves the amounts of a durable step in the same way. @returns the limit that they would cross. */
export const reserveAmount = (scope: Scope, amount: Amount, seq: number): Reservation | Crossing =>
  amountCrossing(scope, amount) ?? reserving(scope, { amount }, seq);

/** Reserves what one more attempt of a call costs, until it is released or counted. @returns the limit that it would cross. */
export const reserveAttempt = (scope: Scope, usd: number): Reservation | Crossing =>
  costCrossing(scope, usd) ?? reserving(scope, { cost: usd }, Number.POSITIVE_INFINITY);

function reserving(scope: Scope, { calls = 0, amount, cost }: Needs & { calls?: number }, seq: number): Reservation {
  const nanoUsd = typeof cost === 'number' ? nanoOf(cost) : 0;
  const starting: Starting = { calls, millionths: amount && add({}, amount, 1), nanoUsd, seq };
  for (const { reserved } of upwards(scope)) reserved.starting.add(starting);
  const release = () => {
    for (const { reserved } of upwards(scope)) reserved.starting.delete(starting);
  };
  return {
    ...releasing(release),
    countedFrom: (entry) => {
      starting.seq = entry;
    },
  };
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
