/** The records of what a model no longer sees of its conversation. */
import type { EntryOf } from '../../journal/entries/entries.ts';
import type { Json } from '../../json.ts';

/** Keeps fields that are content only if that is asked for. */
type Told = (fields: { [field: string]: Json | undefined }) => { [field: string]: Json | undefined };

export function compaction(entry: EntryOf<'context.compacted'>, told: Told) {
  const { by, refused, dropped, cleared, tokens, model, usage, usd, ms, attempts = 1, summary } = entry;
  return {
    type: 'COMPACTION',
    policy: by,
    attempt: attempts,
    status: 'SUCCEEDED',
    refused,
    dropped: dropped?.reduce((sum, [from, to]) => sum + to - from, 0),
    cleared: cleared?.length,
    tokensBefore: tokens.before,
    tokensAfter: tokens.after,
    model,
    usage,
    costUsd: usd,
    durationMs: ms,
    ...told({ summary }),
  } as const;
}

/** A failed attempt to have a summary written. */
export function summaryFailed({ attempt, code, message, retryIn, model }: EntryOf<'attempt.failed'>, told: Told) {
  return {
    type: 'COMPACTION',
    attempt,
    status: 'FAILED',
    errorCode: code,
    retryScheduledInMs: retryIn,
    model,
    ...told({ message }),
  } as const;
}
