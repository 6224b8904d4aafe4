/** Which records a query covers: the namespace, the strategy, the metadata and the time of expiry, as SQL. */
import type { RecordFilter, RecordQuery, RecordValue } from '../../ports/memory-store.ts';
import { name } from './checks.ts';
import { refused } from './errors.ts';
import { checkedFilters } from './event-input.ts';
import { checkedNamespace, namespacesOf } from './namespace.ts';
import { checkedValue } from './record-input.ts';
import type { Settings } from './settings.ts';

export interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/** The conditions of a query on `record r`, one for each step that `explain` tells. */
export interface Covered {
  readonly namespaces: readonly number[];
  readonly namespace: Condition;
  readonly strategy: Condition | undefined;
  readonly metadata: Condition | undefined;
  readonly alive: Condition;
}

/** A filter that compares a value. */
type Comparison = Extract<RecordFilter, { value: RecordValue }>;

const OPERATORS = ['present', 'absent', 'equal', 'contains', 'before', 'after', 'greater', 'at-least', 'less', 'at-most'] as const;

export interface CheckedQuery {
  readonly namespace: string;
  readonly within: boolean;
  readonly strategy: string | undefined;
  readonly metadata: readonly RecordFilter[];
}

/** @throws RondoError `MEMORY_INPUT_INVALID` */
export function checkedQuery({ namespace, within = true, strategy, metadata }: RecordQuery): CheckedQuery {
  if (typeof within !== 'boolean') throw refused('within', 'give true or false');
  return {
    namespace: checkedNamespace(namespace),
    within,
    strategy: strategy === undefined ? undefined : name(strategy, 'strategy', 100),
    metadata: checkedFilters(metadata, checkFilter),
  };
}

function checkFilter(filter: RecordFilter, field: string): void {
  if (!OPERATORS.includes(filter.is)) throw refused(`${field}.is`, `give one of ${OPERATORS.join(', ')}`);
  if (filter.is === 'present' || filter.is === 'absent') return;
  const { is, value: given } = filter as Comparison;
  const value = checkedValue(given, `${field}.value`);
  if (is !== 'equal' && !KINDS[is].includes(kindOf(value))) throw refused(`${field}.value`, `\`${is}\` compares ${KINDS[is].join(' or ')}`);
}

const KINDS = {
  contains: ['a text', 'a list of texts'],
  before: ['a date'],
  after: ['a date'],
  greater: ['a number'],
  'at-least': ['a number'],
  less: ['a number'],
  'at-most': ['a number'],
};

const kindOf = (value: RecordValue): string =>
  typeof value === 'string' ? 'a text' : typeof value === 'number' ? 'a number' : Array.isArray(value) ? 'a list of texts' : 'a date';

/** Call it within a transaction. */
export function covered(settings: Settings, { namespace, within, strategy, metadata }: CheckedQuery): Covered {
  const namespaces = namespacesOf(settings, namespace, within);
  return {
    namespaces,
    namespace: { sql: `r.namespace IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(namespaces)] },
    strategy: strategy === undefined ? undefined : { sql: 'r.strategy = ?', values: [strategy] },
    metadata: metadata.length === 0 ? undefined : all(metadata.map(conditionOf)),
    alive: { sql: '(r.expires_at IS NULL OR r.expires_at > ?)', values: [settings.now()] },
  };
}

/** All conditions at once. */
export const all = (conditions: readonly (Condition | undefined)[]): Condition => {
  const held = conditions.filter((condition) => condition !== undefined);
  return { sql: held.map(({ sql }) => sql).join(' AND '), values: held.flatMap(({ values }) => values) };
};

const SIGNS = { before: '<', after: '>', greater: '>', 'at-least': '>=', less: '<', 'at-most': '<=' } as const;
/** A record has a key at most once. `m.type` is that of JSON: a date is an object. */
const field = (sql: string, key: string, ...values: (string | number)[]): Condition => ({
  sql: `EXISTS (SELECT 1 FROM json_each(r.metadata) m WHERE m.key = ? AND ${sql})`,
  values: [key, ...values],
});

function conditionOf(filter: RecordFilter): Condition {
  const { key, is } = filter;
  if (is === 'present') return field('1', key);
  if (is === 'absent') {
    const { sql, values } = field('1', key);
    return { sql: `NOT ${sql}`, values };
  }
  const { value } = filter as Comparison;
  if (is === 'equal') return equal(key, value);
  if (is === 'contains') return contains(key, typeof value === 'string' ? [value] : (value as readonly string[]));
  if (is === 'before' || is === 'after')
    return field(`m.type = 'object' AND m.value ->> 'date' ${SIGNS[is]} ?`, key, (value as { date: number }).date);
  return field(`m.type IN ('integer', 'real') AND m.value ${SIGNS[is]} ?`, key, value as number);
}

function equal(key: string, value: unknown): Condition {
  if (typeof value === 'string') return field(`m.type = 'text' AND m.value = ?`, key, value);
  if (typeof value === 'number') return field(`m.type IN ('integer', 'real') AND m.value = ?`, key, value);
  // lists and dates: SQLite gives their JSON
  return field(`m.type IN ('array', 'object') AND m.value = json(?)`, key, JSON.stringify(value));
}

/** A list has each of the texts; a text has each of them as a part. */
function contains(key: string, parts: readonly string[]): Condition {
  const each = parts.map(
    () =>
      `((m.type = 'array' AND EXISTS (SELECT 1 FROM json_each(m.value) v WHERE v.value = ?)) OR (m.type = 'text' AND instr(m.value, ?) > 0))`,
  );
  return field(each.join(' AND '), key, ...parts.flatMap((part) => [part, part]));
}
