import type { Usage } from '../../ports/model.ts';
import type { Charge, Used } from '../entries/intent.ts';

/** The spending of a run, or of a frame with all frames below it. */
export interface Spent {
  usage: Usage;
  /** A model reported no usage, so the sums are too low. */
  unmetered: boolean;
  /** Billionths of a US dollar, an integer so that sums are exact. Undefined once a price was unknown. */
  nanoUsd: number | undefined;
  /** By call of a foreign agent: how many attempts were given up and have not said what they used. Until then the sums are unknown. */
  owed: Map<string, number> | undefined;
  /** As the limit `toolCalls` counts them. */
  toolCalls: number;
  /** Model answers. */
  steps: number;
  /** The amounts of calls that took effect, or may have. */
  millionths: { [unit: string]: number } | undefined;
}

/** A new object for each frame, because sums are changed in place. */
export const nothingSpent = (): Spent => ({
  usage: { input: 0, output: 0 },
  unmetered: false,
  nanoUsd: 0,
  owed: undefined,
  toolCalls: 0,
  steps: 0,
  millionths: undefined,
});

/** Billionths of a US dollar. */
export const nanoOf = (usd: number): number => Math.round(usd * 1e9);

/** Whether tokens were used of which the sums do not know. */
export const isUnmetered = ({ unmetered, owed }: Spent): boolean => unmetered || (owed?.size ?? 0) > 0;

/** US dollars; undefined if a price or a usage is unknown. */
export const costUsd = ({ nanoUsd, owed }: Pick<Spent, 'nanoUsd' | 'owed'>) =>
  nanoUsd === undefined || owed?.size ? undefined : nanoUsd / 1e9;

/** Tokens of input, cached ones included. */
export const inputOf = ({ input, cacheRead = 0, cacheWrite = 0 }: Usage): number => input + cacheRead + cacheWrite;

/** All tokens of a usage. */
export const totalOf = (usage: Usage): number => inputOf(usage) + usage.output;

/** A higher count or cost is treated as invalid. */
const MOST = { tokens: 1e12, usd: 1e9 };

/** Whether a value is a plausible cost in US dollars. */
export const isCost = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= MOST.usd;

const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= MOST.tokens;

/** Checks a usage that comes from outside. Undefined if any count is implausible, so that no limit is enforced by a wrong number. */
export function countsOf(usage: unknown): Usage | undefined {
  if (typeof usage !== 'object' || usage === null) return undefined;
  const { input, output, cacheRead, cacheWrite, reasoning } = usage as Usage;
  if (!isCount(input) || !isCount(output)) return undefined;
  const counted: Usage = { input, output };
  for (const [name, count] of [
    ['cacheRead', cacheRead],
    ['cacheWrite', cacheWrite],
    ['reasoning', reasoning],
  ] as const) {
    if (count === undefined || count === null) continue;
    if (!isCount(count)) return undefined;
    counted[name] = count;
  }
  return counted;
}

/** Adds what a turn of a foreign agent used. Without a usage its cost is added alone. */
export function spendTurn(spent: Spent, { usage, unmetered, usd, unpriced }: Used & Charge): void {
  if (usage || unmetered) spend(spent, usage, usd);
  else if (usd !== undefined) spend(spent, undefined, usd);
  if (unmetered) spent.unmetered = true;
  if (unpriced) spent.nanoUsd = undefined;
}

/** Adds usage and cost of one answer. An unknown cost (`usd` undefined) makes the sum unknown. */
export function spend(spent: Spent, usage: Usage | undefined, usd: number | undefined): void {
  if (usage) spent.usage = sum(spent.usage, usage);
  spent.nanoUsd = usd === undefined || spent.nanoUsd === undefined ? undefined : spent.nanoUsd + nanoOf(usd);
}

function sum(a: Usage, b: Usage): Usage {
  const both: Usage = { input: a.input + b.input, output: a.output + b.output };
  if (a.cacheRead || b.cacheRead) both.cacheRead = (a.cacheRead ?? 0) + (b.cacheRead ?? 0);
  if (a.cacheWrite || b.cacheWrite) both.cacheWrite = (a.cacheWrite ?? 0) + (b.cacheWrite ?? 0);
  if (a.reasoning || b.reasoning) both.reasoning = (a.reasoning ?? 0) + (b.reasoning ?? 0);
  return both;
}
