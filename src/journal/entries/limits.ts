/** The limits of runs and agents. */
import type { Amount } from './intent.ts';

/** The limit that stopped a run. `journal` is `BOUND`, which cannot be raised. */
export interface Crossed {
  name: keyof Limits | 'journal';
  /** Of `amounts`. */
  unit?: string;
  /** Of `repeats`: the tool that was called. */
  tool?: string;
  max: number;
  /** null if unknown: a model reported no usage, or its price is unknown. */
  used: number | null;
  /** The most that the next call could use in addition. Absent if that or `used` is unknown, and for time. */
  needed?: number;
}

export interface Limits {
  /** Model answers. Default 50. */
  steps?: number;
  toolCalls?: number;
  /** Input and output together, including cached input. */
  tokens?: number;
  costUsd?: number;
  /** What the tools' `amount` declares, by unit. */
  amounts?: Amount;
  /** Milliseconds of work. Time spent paused does not count. */
  time?: number;
  /**
   * Steps in a row in which an agent makes the same call and gets the same result, at least 2; or rounds of up to
   * 4 steps that it makes again and again. It holds for each agent of the tree by itself.
   * Default: no limit.
   */
  repeats?: number;
  /** Levels of sub-agents below the top one; 0 allows none. Default 8. */
  depth?: number;
  /** Epoch milliseconds, by the wall clock. */
  deadline?: number;
}

/** `queued`: it was enqueued, and no process has begun it yet. */

/** The limits with others over them: each limit, and each unit of the amounts, by itself. */
export function limitsWith(limits: Limits, over: Limits | undefined): Limits {
  if (!over) return limits;
  const both = { ...limits, ...over };
  if (limits.amounts && over.amounts) both.amounts = { ...limits.amounts, ...over.amounts };
  return both;
}
