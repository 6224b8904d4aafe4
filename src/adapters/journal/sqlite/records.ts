import type { RecordAppendOptions, Records } from '../../../journal/records.ts';
import type { Json } from '../../../json.ts';
import type { Access } from './access.ts';

/**
 * The records of a journal file. Appends of one tick share a transaction with those of runs.
 * @param durability the journal's own setting, which overrides that of an append.
 */
export function sqliteRecords(access: Access, durability: 'power' | 'process' | undefined): Records {
  return {
    append(namespace: string, key: string, values: readonly Json[], { expected, sync }: RecordAppendOptions = {}): Promise<number> {
      access.refuseClosed();
      const bodies = values.map((value) => JSON.stringify(value));
      return access.queue.add((durability ?? sync) === 'power', () => access.opened().records.append(namespace, key, bodies, expected));
    },
    read: (namespace, key, from = 0) => access.read(({ records }) => records.read(namespace, key, from)),
    list: (namespace, o = {}) => access.read(({ records }) => records.list(namespace, o)),
    delete: (namespace, key) => access.forget(() => access.opened().records.remove(namespace, key)),
  };
}
