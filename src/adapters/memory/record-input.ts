/** Records and changes as they are given: checked, and as they are stored. */
import type { NewRecord, Origin, Provenance, RecordChange, RecordValue } from '../../ports/memory-store.ts';
import { entries, list, name, object, oneOf, text, time } from './checks.ts';
import { refused } from './errors.ts';
import { ACTOR, SESSION } from './event-input.ts';
import { checkedNamespace } from './namespace.ts';

const TEXT = 16_000;
const ORIGINS: readonly Origin[] = ['user', 'assistant', 'tool', 'application'];

export interface CheckedRecord {
  readonly namespace: string;
  readonly text: string;
  readonly strategy: string | undefined;
  /** JSON. */
  readonly metadata: string | undefined;
  readonly at: number | undefined;
  readonly origin: Origin;
  readonly from: Provenance | undefined;
  readonly expiresAt: number | undefined;
}

export type CheckedChange = { readonly id: string } & Partial<Omit<CheckedRecord, 'strategy' | 'origin' | 'expiresAt'>> & {
    /** Null: never. Undefined: as before. */
    readonly expiresAt?: number | null | undefined;
  };

const given = <T, R>(value: T | undefined, check: (value: T) => R): R | undefined => (value === undefined ? undefined : check(value));

/** @throws RondoError `MEMORY_INPUT_INVALID` for what is against a limit of the port. */
export const checkedRecord = (record: NewRecord): CheckedRecord => ({
  namespace: checkedNamespace(object<NewRecord>(record, 'record').namespace),
  text: text(record.text, 'text', 1, TEXT),
  strategy: given(record.strategy, (id) => name(id, 'strategy', 100)),
  metadata: given(record.metadata, checkedMetadata),
  at: given(record.at, (at) => time(at, 'at')),
  origin: oneOf(record.origin ?? 'application', 'origin', ORIGINS),
  from: given(record.from, checkedProvenance),
  expiresAt: given(record.expiresAt, (at) => time(at, 'expiresAt')),
});

export const checkedChange = (change: RecordChange): CheckedChange => ({
  id: name(object<RecordChange>(change, 'change').id, 'id', 100),
  namespace: given(change.namespace, (path) => checkedNamespace(path)),
  text: given(change.text, (said) => text(said, 'text', 1, TEXT)),
  metadata: given(change.metadata, checkedMetadata),
  at: given(change.at, (at) => time(at, 'at')),
  from: given(change.from, checkedProvenance),
  expiresAt: change.expiresAt === null ? null : given(change.expiresAt, (at) => time(at, 'expiresAt')),
});

const checkedMetadata = (metadata: Readonly<Record<string, RecordValue>>): string =>
  JSON.stringify(
    Object.fromEntries(entries(metadata, 'metadata', 20).map(([key, value]) => [key, checkedValue(value, `metadata.${key}`)])),
  );

/** @throws RondoError `MEMORY_INPUT_INVALID` */
export function checkedValue(value: unknown, field: string): RecordValue {
  if (typeof value === 'string') return text(value, field, 0, 256);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return list(value, field, 1, 20).map((each, i) => text(each, `${field}[${i}]`, 1, 256));
  if (typeof value === 'object' && value !== null && 'date' in value) return { date: time(value.date, `${field}.date`) };
  throw refused(field, 'give a text, a list of texts, a number, or { date: epoch milliseconds }');
}

function checkedProvenance(value: Provenance): Provenance {
  const { actor, session, events, run } = object<Provenance>(value, 'from');
  return {
    actor: name(actor, 'from.actor', ACTOR),
    ...(session !== undefined && { session: name(session, 'from.session', SESSION) }),
    ...(events !== undefined && { events: list(events, 'from.events', 0, 1_000).map((id, i) => name(id, `from.events[${i}]`, 100)) }),
    ...(run !== undefined && { run: name(run, 'from.run', 500) }),
  };
}
