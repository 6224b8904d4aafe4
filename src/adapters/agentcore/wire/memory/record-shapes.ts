/** Records between the shapes of AWS and those of a memory's store. */
import type { MemoryRecord, RecordFilter, RecordQuery } from '../../../../ports/memory-store.ts';
import { recordValueOf, toldValues, type Value } from '../../memory/shapes.ts';
import { refused } from '../codec/error.ts';

export interface RecordMetadataFilter {
  left: { metadataKey: string };
  operator: string;
  right?: { metadataValue?: Value };
}

/** Where to look. One of the two is given. */
export interface Place {
  /** Disputed: all below it too, or itself alone. */
  namespace?: string;
  /** All below it too. */
  namespacePath?: string;
  memoryStrategyId?: string;
  metadataFilters?: readonly RecordMetadataFilter[];
}

/** What `namespace` covers: sources disagree. */
export type NamespaceMatch = 'within' | 'exact';

/** @throws AwsError `ValidationException`. */
export function queryOf(place: Place, match: NamespaceMatch): RecordQuery {
  const { namespace, namespacePath, memoryStrategyId: strategy, metadataFilters = [] } = place;
  const path = namespacePath ?? namespace;
  if (path === undefined || (namespace !== undefined && namespacePath !== undefined))
    throw refused('Exactly one of namespace and namespacePath must be given.');
  return {
    namespace: path,
    within: namespacePath !== undefined || match === 'within',
    ...(strategy !== undefined && { strategy }),
    metadata: metadataFilters.map(filterOf),
  };
}

const OPERATORS: Readonly<Record<string, Exclude<RecordFilter['is'], 'present' | 'absent'>>> = {
  EQUALS_TO: 'equal',
  CONTAINS: 'contains',
  BEFORE: 'before',
  AFTER: 'after',
  GREATER_THAN: 'greater',
  GREATER_THAN_OR_EQUALS: 'at-least',
  LESS_THAN: 'less',
  LESS_THAN_OR_EQUALS: 'at-most',
};

function filterOf({ left: { metadataKey: key }, operator, right }: RecordMetadataFilter): RecordFilter {
  if (operator === 'EXISTS') return { key, is: 'present' };
  if (operator === 'NOT_EXISTS') return { key, is: 'absent' };
  const { [operator]: is } = OPERATORS;
  const value = right?.metadataValue;
  if (!is || !value) throw refused(`The filter of ${key} needs a value to the right of ${operator}.`);
  return { key, is, value: recordValueOf(value) };
}

/** A summary is the same, and may have a score. */
export function toldRecord({ id, text, strategy, namespace, createdAt, metadata }: MemoryRecord, score?: number) {
  return {
    memoryRecordId: id,
    content: { text },
    // it is a required member, also of a record that an application wrote itself
    memoryStrategyId: strategy ?? '',
    namespaces: [namespace],
    createdAt: new Date(createdAt),
    ...(metadata && { metadata: toldValues(metadata) }),
    ...(score !== undefined && { score }),
  };
}
