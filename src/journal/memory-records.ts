import type { Json } from '../json.ts';
import type { Records } from './records.ts';
import { recordConflict } from './refuse.ts';

/** The records of a journal in memory. */
export function memoryRecords(): Records {
  const spaces = new Map<string, Map<string, Json[]>>();
  return {
    append(namespace, key, values, { expected } = {}) {
      const held = spaces.get(namespace)?.get(key)?.length ?? 0;
      if (expected !== undefined && held !== expected) throw recordConflict(namespace, key, expected, held);
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
