import { RondoError } from '../../../errors.ts';
import { recordDamaged } from '../../../journal/errors.ts';
import type { RecordChange, Records } from '../../../journal/records.ts';
import type { Json } from '../../../json.ts';
import { type DataKey, keyIdOf } from '../../keys/data-key.ts';
import { keyUnavailable } from './master.ts';
import { assertFree, isReserved, nameOf, type Ring } from './ring.ts';

/** A value as it is stored. `at`: its number, if it was known before; then it is bound to it. */
type Sealed = { box: string; at?: number };

const placeOf = (namespace: string, key: string, at: number | undefined) => JSON.stringify(['record', namespace, key, at ?? null]);
const recordOf = (namespace: string, key: string) => ({ record: [namespace, key] as const });

const sealed = (key: DataKey, { namespace, key: name, values }: Omit<RecordChange, 'expected'>, expected: number | undefined): Sealed[] =>
  values.map((value, i) => {
    const at = expected === undefined ? undefined : expected + i;
    return { box: key.seal(JSON.stringify(value), placeOf(namespace, name, at)), ...(at !== undefined && { at }) };
  });

/** A change with sealed values. */
export async function sealedRecord(ring: Ring, change: RecordChange, sync: 'power' | 'process' | undefined): Promise<RecordChange> {
  const { namespace, key, values, expected } = change;
  assertFree(namespace);
  if (values.length === 0) return change;
  return { ...change, values: sealed(await ring.make(recordOf(namespace, key), sync), change, expected) };
}

/** Records whose values are sealed under a key for each. Namespaces and keys are as given, because a list is in their order. */
export function sealedRecords(ring: Ring, inner: Records): Records {
  return {
    async append(namespace, key, values, o = {}) {
      assertFree(namespace);
      if (values.length === 0) return inner.append(namespace, key, values, o);
      const data = await ring.make(recordOf(namespace, key), o.sync);
      return inner.append(namespace, key, sealed(data, { namespace, key, values }, o.expected), o);
    },
    async *read(namespace, key, from = 0) {
      // what is there is of the journal below
      if (isReserved(namespace)) return;
      let at = from;
      let data: DataKey | undefined;
      for await (const value of inner.read(namespace, key, from)) {
        const { box, at: bound } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Sealed>;
        const id = keyIdOf(box);
        if (id === undefined) throw recordDamaged(namespace, key, at);
        if (data?.id !== id) data = await ring.ofId(nameOf(recordOf(namespace, key)), id);
        if (!data)
          throw keyUnavailable(`The data key of the record "${key}" in "${namespace}" was destroyed, or is not in this store of keys.`);
        const text = bound === undefined || bound === at ? data.open(box, placeOf(namespace, key, bound)) : undefined;
        if (text === undefined) throw recordDamaged(namespace, key, at);
        at++;
        yield JSON.parse(text) as Json;
      }
    },
    list(namespace, o) {
      assertFree(namespace);
      return inner.list(namespace, o);
    },
    async delete(namespace, key) {
      assertFree(namespace);
      await inner.delete(namespace, key);
      await ring.destroy(nameOf(recordOf(namespace, key)));
    },
  };
}

/** Whether the record of a key is not there. */
export async function isRecordGone(inner: Records, [namespace, key]: readonly [string, string]): Promise<boolean> {
  try {
    for await (const _ of inner.read(namespace, key)) return false;
  } catch (error) {
    // a damaged one is there
    if (RondoError.is(error, 'JOURNAL_DAMAGED')) return false;
    throw error;
  }
  return true;
}
