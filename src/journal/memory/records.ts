import type { Json } from '../../json.ts';
import { recordConflict } from '../errors.ts';
import type { RecordChange, Records } from '../records.ts';

/** The records of a journal in memory. `assert` throws `JOURNAL_CONFLICT` if a change cannot be made. */
export function memoryRecords(): Records & { assert(change: Omit<RecordChange, 'values'>): void } {
  const spaces = new Map<string, Map<string, Json[]>>();
  const heldBy = (namespace: string, key: string) => spaces.get(namespace)?.get(key)?.length ?? 0;
  const assert = ({ namespace, key, expected }: Omit<RecordChange, 'values'>) => {
    const held = heldBy(namespace, key);
    if (held !== expected) throw recordConflict(namespace, key, expected, held);
  };
  return {
    assert,
    append(namespace, key, values, { expected } = {}) {
      if (expected !== undefined) assert({ namespace, key, expected });
      const held = heldBy(namespace, key);
      if (values.length === 0) return held;
      const space = spaces.get(namespace) ?? new Map<string, Json[]>();
      spaces.set(namespace, space);
      const list = space.get(key) ?? [];
      space.set(key, list);
      for (const value of values) list.push(value);
      return list.length;
    },
    read: (namespace, key, from = 0) => spaces.get(namespace)?.get(key)?.slice(from) ?? [],
    list(namespace, { after, limit } = {}) {
      const keys = [...(spaces.get(namespace)?.keys() ?? [])].sort();
      return keys.filter((key) => after === undefined || key > after).slice(0, limit);
    },
    delete(namespace, key) {
      spaces.get(namespace)?.delete(key);
    },
  };
}
