/** The limits of runs and agents. */
import type { Amount } from './intent.ts';

/** The limit that stopped a run. `journal` is `BOUND`, which cannot be raised. */
export interface Crossed {
  name: keyof Limits | 'journal';
  /** Of `amounts`. */
  unit?: string;
  /** Of `repeats`: the tool that was called. */
  tool?: string;
  /** The limit that was reached, in its own unit. */
  max: number;
  /** null if unknown: a model reported no usage, or its price is unknown. */
  used: number | null;
  /** The most that the next call could use in addition. Absent if that or `used` is unknown, and for time. */
  needed?: number;
}

/**
 * Numbers of 0 or more; `amounts` by unit. A run that reaches one ends as `stopped`, and `resume()` continues it with a higher one. Where a
 * sub-agent reaches one of its own, its call ends with `LIMIT_REACHED` and the run goes on. Number.MAX_SAFE_INTEGER lifts a limit.
 */
export interface Limits {
  /** Model answers. Default 50. */
  steps?: number;
  /**
   * Calls of tools and sub-agents that have started; retries are not counted. Nodes of graphs and turns of foreign agents are not among
   * them. Default: no limit.
   */
  toolCalls?: number;
  /** Input and output together, including cached input. A model that reports no usage counts as crossing it. Default: no limit. */
  tokens?: number;
  /**
   * US dollars of models, foreign agents, tools with a `cost`, and guardrails. With it, a run with a model whose price is unknown is
   * refused: `CONFIG_INVALID`. Default: no limit.
   */
  costUsd?: number;
  /** What the tools' `amount` declares, by unit. A unit that no tool can have is refused with `CONFIG_INVALID`. Default: no limit. */
  amounts?: Amount;
  /** Milliseconds of work. Time spent paused does not count. What runs then is cancelled. Default: no limit. */
  time?: number;
  /**
   * Steps in a row in which an agent makes the same call and gets the same result, at least 2; or rounds of up to
   * 4 steps that it makes again and again. It holds for each agent of the tree by itself.
   * Default: no limit.
   */
  repeats?: number;
  /** Levels of sub-agents below the top one; 0 allows none. A call beyond them is refused with `DEPTH_LIMIT`. Default 8. */
  depth?: number;
  /** Epoch milliseconds, by the wall clock of the process. What runs then is cancelled. Default: none. */
  deadline?: number;
}

/** The limits with others over them: each limit, and each unit of the amounts, by itself. */
export function limitsWith(limits: Limits, over: Limits | undefined): Limits {
  if (!over) return limits;
  const both = { ...limits, ...over };
  if (limits.amounts && over.amounts) both.amounts = { ...limits.amounts, ...over.amounts };
  return both;
}
