import { invalid } from '../../errors.ts';
import type { Entry } from '../../journal/entries/entries.ts';
import { checkOptions } from '../../options.ts';
import type { Principal } from '../../ports/principal.ts';
import { orDamaged } from '../drive/history.ts';
import { entriesOf } from '../read/entries.ts';
import type { Resources } from '../resources.ts';
import type { TraceRecord } from './trace-record.ts';
import { Tracer } from './tracer.ts';

export interface TraceOptions {
  /** Who asks. A run of another tenant is `RUN_NOT_FOUND`. */
  by?: Principal;
  /** Also texts, arguments, results, messages of failures, and who decided. Default false. */
  content?: boolean;
}

const OPTIONS = { by: 'by', content: 'content: true' };

/** The trace of what is in a run's journal now. */
export async function* traceOf(resources: Resources, runId: string, o: TraceOptions): AsyncGenerator<TraceRecord, void, undefined> {
  checkOptions(o, OPTIONS, 'exportTrace()');
  const { by, content = false } = o;
  if (typeof content !== 'boolean') throw invalid('exportTrace(): content is true or false.');
  yield* recordsOf(runId, entriesOf(resources, runId, by ? { by } : {}), content);
}

/** The records of the entries of a run, in their order. @throws RondoError `JOURNAL_DAMAGED`. */
export async function* recordsOf(
  runId: string,
  entries: AsyncIterable<Entry> | Iterable<Entry>,
  content: boolean,
): AsyncGenerator<TraceRecord, void, undefined> {
  let tracer: Tracer | undefined;
  for await (const entry of entries) {
    if (entry.type === 'run.started') tracer ??= new Tracer(runId, entry, content);
    if (tracer) yield* taken(tracer, entry);
  }
}

/** The records of the next entry. @throws RondoError `JOURNAL_DAMAGED`, also if the entries contradict each other. */
export const taken = (tracer: Tracer, entry: Entry): readonly TraceRecord[] => orDamaged(tracer.run.runId, entry, () => tracer.take(entry));
