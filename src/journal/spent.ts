import type { Usage } from '../ports/model.ts';

/** What was used: of a run, and of each frame with all below it. */
export interface Spent {
  usage: Usage;
  /** A model did not say what it used, so the sums are too low. */
  unmetered: boolean;
  /** Billionths of a dollar, so that sums are exact; undefined once a price was unknown. */
  nanoUsd: number | undefined;
  toolCalls: number;
  /** Answers of models. */
  steps: number;
}

export const nothingSpent = (): Spent => ({ usage: { input: 0, output: 0 }, unmetered: false, nanoUsd: 0, toolCalls: 0, steps: 0 });

/** US dollars; undefined where a price or a usage is unknown. */
export const costUsd = ({ nanoUsd }: Spent) => (nanoUsd === undefined ? undefined : nanoUsd / 1e9);

/** Above this a count or a sum of dollars is no measurement. */
const MOST = { tokens: 1e12, usd: 1e9 };

/** Whether a number of US dollars may be what something cost. */
export const isCost = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= MOST.usd;

const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= MOST.tokens;

/** The counts of a usage that comes from outside; undefined where one makes no sense: a limit must not be held by a guess. */
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

/** Adds what an answer used and cost. A cost that is unknown makes the sum unknown. */
export function spend(spent: Spent, usage: Usage | undefined, usd: number | undefined): void {
  if (usage) spent.usage = sum(spent.usage, usage);
  spent.nanoUsd = usd === undefined || spent.nanoUsd === undefined ? undefined : spent.nanoUsd + Math.round(usd * 1e9);
}

function sum(a: Usage, b: Usage): Usage {
  const both: Usage = { input: a.input + b.input, output: a.output + b.output };
  if (a.cacheRead || b.cacheRead) both.cacheRead = (a.cacheRead ?? 0) + (b.cacheRead ?? 0);
  if (a.cacheWrite || b.cacheWrite) both.cacheWrite = (a.cacheWrite ?? 0) + (b.cacheWrite ?? 0);
  if (a.reasoning || b.reasoning) both.reasoning = (a.reasoning ?? 0) + (b.reasoning ?? 0);
  return both;
}
