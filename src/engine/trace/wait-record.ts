/** The record of a wait. */
import type { EntryOf } from '../../journal/entries/entries.ts';
import type { TraceRecord } from './trace-record.ts';

type Began = EntryOf<'wait.began'>;
type Ended = EntryOf<'call.finished'>;

/** @param entry the begin, the end, or an event that did not fit. `key` and `message` are content. */
export function waitFields(entry: Began | EntryOf<'event.rejected'> | Ended, began: Began, toolName: string) {
  const fields = {
    type: 'WAIT' as const,
    status: entry.type === 'wait.began' ? 'BEGAN' : entry.type === 'event.rejected' ? 'REJECTED' : endOf(entry, began),
    toolName,
    callId: entry.call,
    until: began.until,
    event: began.event?.name,
    eventId: entry.type === 'call.finished' ? entry.event?.id : entry.type === 'event.rejected' ? entry.id : undefined,
    durationMs: entry === began ? undefined : Math.max(0, entry.at - began.at),
  };
  return { fields, key: began.event?.key, message: entry.type === 'event.rejected' ? entry.problem : undefined };
}

/** How a wait ends with its call. */
function endOf({ event, ok, error }: Ended, began: EntryOf<'wait.began'>): (TraceRecord & { type: 'WAIT' })['status'] {
  if (event) return 'RECEIVED';
  if (began.event) return ok || error?.code === 'EVENT_TIMEOUT' ? 'TIMED_OUT' : 'ENDED';
  return ok ? 'WOKEN' : 'ENDED';
}
