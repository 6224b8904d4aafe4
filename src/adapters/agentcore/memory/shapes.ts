/** What is said and learned, between the shapes of AWS and those of the port. Both the adapter and the local server use it. */
import type { Json } from '../../../json.ts';
import type { EventItem, RecordValue } from '../../../ports/memory-store.ts';

/** Exactly one member is set. */
export interface Payload {
  conversational?: { role: string; content: { text: string } };
  json?: { content: Json };
  blob?: Json;
}

export type Metadata = Readonly<Record<string, { stringValue: string }>>;

/** Of a record's metadata. Exactly one member is set. */
export interface Value {
  stringValue?: string;
  stringListValue?: readonly string[];
  numberValue?: number;
  dateTimeValue?: Date;
}

export const itemOf = ({ conversational, json, blob }: Payload): EventItem => {
  if (conversational)
    return {
      kind: 'text',
      role: conversational.role.toLowerCase() as 'user' | 'assistant' | 'tool' | 'other',
      text: conversational.content.text,
    };
  return json ? { kind: 'json', value: json.content } : { kind: 'blob', value: blob ?? null };
};

export const payloadOf = (item: EventItem): Payload => {
  if (item.kind === 'text') return { conversational: { role: item.role.toUpperCase(), content: { text: item.text } } };
  return item.kind === 'json' ? { json: { content: item.value } } : { blob: item.value };
};

const mapped = <T, R>(entries: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, map(value)]));

export const textsOf = (metadata: Metadata): Record<string, string> => mapped(metadata, ({ stringValue }) => stringValue);
export const metadataOf = (texts: Readonly<Record<string, string>>) => mapped(texts, (stringValue) => ({ stringValue }));

export function recordValueOf({ stringValue, stringListValue, numberValue, dateTimeValue }: Value): RecordValue {
  return stringValue ?? stringListValue ?? numberValue ?? { date: (dateTimeValue as Date).getTime() };
}

export function toldValue(value: RecordValue): Value {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'number') return { numberValue: value };
  return 'date' in value ? { dateTimeValue: new Date(value.date) } : { stringListValue: value };
}

export const recordValuesOf = (metadata: Readonly<Record<string, Value>>): Record<string, RecordValue> => mapped(metadata, recordValueOf);
export const toldValues = (metadata: Readonly<Record<string, RecordValue>>): Record<string, Value> => mapped(metadata, toldValue);
