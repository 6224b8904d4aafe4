import type { GradedCall } from '../../engine/evaluate/check.ts';
import type { Decision } from '../../journal/entries/entries.ts';
import type { Json } from '../../json.ts';
import type { Usage } from '../../ports/model.ts';

/** What a person decided. */
export interface RecordedDecision {
  /** Names what was asked, see decisions.ts. */
  asked: string;
  decision: Decision;
}

/** What a recorded run did, and came to. */
export interface Recorded {
  runId: string;
  calls: readonly GradedCall[];
  /** In the order in which they were made. */
  decisions: readonly RecordedDecision[];
  output: Json | undefined;
  steps: number;
  usage: Usage;
  /** US dollars; null if unknown. */
  costUsd: number | null;
  /** Milliseconds of work. */
  ms: number;
}
