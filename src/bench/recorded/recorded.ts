import type { GradedCall } from '../../engine/evaluate/check.ts';
import type { Json } from '../../json.ts';
import type { Usage } from '../../ports/model.ts';

/** What a recorded run did, and came to. */
export interface Recorded {
  runId: string;
  calls: readonly GradedCall[];
  output: Json | undefined;
  steps: number;
  usage: Usage;
  /** US dollars; null if unknown. */
  costUsd: number | null;
  /** Milliseconds of work. */
  ms: number;
}
