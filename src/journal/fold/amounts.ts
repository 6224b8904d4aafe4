/** Amounts in sums: integers of millionths, so that they are exact. */
import { isPlain } from '../../json.ts';
import type { Amount } from '../entries/intent.ts';
import type { Spent } from './spent.ts';
import type { Call, Frame } from './state.ts';

/** A unit that is not in it has the sum 0. */
export type Millionths = { [unit: string]: number };

/** A unit of amounts, such as `usd` or `emails`. */
export const UNIT = /^[a-z][a-z0-9_-]{0,31}$/;

/** The nearest whole number of millionths. */
export const millionthsOf = (n: number): number => Math.round(n * 1e6);

/** Whether a number can be an amount: 0 or more, at most 6 decimals, and so small that its millionths are exact. */
const isAmount = (n: unknown): n is number =>
  typeof n === 'number' && Number.isFinite(n) && n >= 0 && n < 9e9 && Number(n.toFixed(6)) === n;

/** Whether a number can be an amount, but for the rounding error of a few sums. */
export const isNearAmount = (n: unknown): n is number =>
  typeof n === 'number' && isAmount(rounded(n)) && Math.abs(n - rounded(n)) <= 4 * Number.EPSILON * n;

/** The number without decimals beyond the sixth. */
export const rounded = (n: number): number => millionthsOf(n) / 1e6;

/** Why a value is not the amounts of a call, `{ usd: 12.5 }`; undefined if it is. @param name of what it is the amount of. */
export function amountProblem(told: unknown, name: string): string | undefined {
  // what another object holds may be in no field of its own, and would then count for nothing
  if (typeof told !== 'object' || told === null || !isPlain(told))
    return `the amount of ${name} is not a plain object such as { usd: 12.5 }.`;
  for (const [unit, n] of Object.entries(told))
    if (!UNIT.test(unit) || !isAmount(n))
      return `the amount of ${name} is { ${unit}: ${String(n)} }: a unit is a-z, 0-9, "_" and "-", and an amount 0 or more, with at most 6 decimals (round what you compute: Math.round(n * 1e6) / 1e6) and below 9 billion.`;
  return undefined;
}

/** The sum of a unit, in millionths. */
export const usedOf = ({ millionths }: Pick<Spent, 'millionths'>, unit: string): number => millionths?.[unit] ?? 0;

/** Adds an amount to sums, or takes it away again. */
export function add(sums: Millionths, amount: Amount, sign: 1 | -1): Millionths {
  for (const [unit, n] of Object.entries(amount)) sums[unit] = (sums[unit] ?? 0) + sign * millionthsOf(n);
  return sums;
}

/** A call starts: what it is worth counts in its frame, in those above, and in the run. */
export function count(frame: Frame, call: Call, amount: Amount | undefined = call.worth): void {
  giveBack(call);
  if (!amount) return;
  call.worth = amount;
  call.amount = amount;
  call.countedIn = frame;
  change(frame, amount, 1);
}

/** It is known that the call did not take effect. */
export function giveBack(call: Call): void {
  if (call.amount && call.countedIn) change(call.countedIn, call.amount, -1);
  call.amount = undefined;
  call.countedIn = undefined;
}

function change(frame: Frame, amount: Amount, sign: 1 | -1): void {
  for (let f: Frame | undefined = frame; f; f = f.parent) {
    f.spent.millionths ??= {};
    add(f.spent.millionths, amount, sign);
  }
}
