/** Data other than runs, see `src/journal/records.ts`. A record's values are in a partition of their own; what names it is in that of its namespace. */
import { crc32 } from 'node:zlib';
import { RondoError } from '../../../errors.ts';
import { recordConflict, recordDamaged } from '../../../journal/errors.ts';
import type { Records } from '../../../journal/records.ts';
import type { Json } from '../../../json.ts';
import { nonceOf } from '../rows/nonce.ts';
import type { Access, Write } from './access.ts';
import { ahead, nonceAt, rowOf, rowsFrom, takeBack } from './content.ts';
import { Refused } from './errors.ts';
import { LAST, sortKey } from './keys.ts';
import type { Also, Part } from './write.ts';

interface Meta {
  key: string;
  held: number;
  /** Names the partition of its values. A record that was deleted and begun again has another one. */
  id: string;
  rev: number;
  /** Its values are being deleted. */
  gone: boolean;
}

/** How often an append is tried again because the record has changed. */
const TRIES = 200;

const placeOf = (namespace: string, key: string) => ({ pk: `records#${namespace}`, sk: sortKey(key) });
const valuesKey = (id: string) => `values#${id}`;

export function recordsOf(access: Access) {
  async function look(namespace: string, key: string): Promise<Meta | undefined> {
    const item = await access.get(placeOf(namespace, key));
    return item && { key, held: item.held as number, id: item.id as string, rev: item.rev as number, gone: item.gone === 1 };
  }

  const put = (namespace: string, meta: Meta, before: Meta | undefined): Write => ({
    put: { ...placeOf(namespace, meta.key), ...meta, gone: meta.gone ? 1 : null },
    if: before ? { equal: { rev: before.rev } } : 'absent',
  });

  /** The record as it is, once a removal that was cut off has ended. */
  async function standing(namespace: string, key: string): Promise<Meta | undefined> {
    const meta = await look(namespace, key);
    if (!meta?.gone) return meta;
    await finish(namespace, meta);
    return undefined;
  }

  async function finish(namespace: string, meta: Meta): Promise<void> {
    await access.purge(valuesKey(meta.id));
    try {
      await access.write([{ delete: placeOf(namespace, meta.key), if: { equal: { rev: meta.rev }, orAbsent: true } }]);
    } catch (error) {
      // another one has ended it, and the record was begun again
      if (!(error instanceof Refused)) throw error;
    }
  }

  /** The writes of an append. */
  function added(namespace: string, key: string, values: readonly Json[], before: Meta | undefined, nonce: number): Also & { after: Meta } {
    const held = before?.held ?? 0;
    const after: Meta = { key, held: held + values.length, id: before?.id ?? String(nonce), rev: nonceOf(), gone: false };
    const body = `[${values.map((value) => JSON.stringify(value)).join(',')}]`;
    const { row, parts } = rowOf(valuesKey(after.id), { seq: held, count: values.length, nonce, body, checksum: crc32(body) });
    return { after, writes: [put(namespace, after, before)], rows: [row], parts };
  }

  const change: Part = async (_runId, { record }, _fresh, _head, nonce) => {
    if (!record) return undefined;
    const { namespace, key, values, expected } = record;
    const before = await standing(namespace, key);
    const held = before?.held ?? 0;
    if (held !== expected) throw recordConflict(namespace, key, expected, held);
    return values.length === 0 ? { writes: [] } : added(namespace, key, values, before, nonce);
  };

  const records: Records = {
    async append(namespace, key, values, { expected } = {}) {
      access.refuseClosed();
      const nonce = nonceOf();
      let tried: Meta | undefined;
      for (let tries = 0; tries < TRIES; tries++) {
        const before = await standing(namespace, key);
        // its answer was lost
        if (tried && (await nonceAt(access, valuesKey(tried.id), tried.held - values.length)) === nonce) return tried.held;
        const held = before?.held ?? 0;
        if (expected !== undefined && held !== expected) throw recordConflict(namespace, key, expected, held);
        if (values.length === 0) return held;
        const { after, writes, rows = [], parts = [] } = added(namespace, key, values, before, nonce);
        tried = after;
        const content = ahead(rows, parts);
        await access.writeAll(content.before);
        try {
          await access.write([...writes, ...content.together]);
          return after.held;
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          if ((await nonceAt(access, valuesKey(after.id), held)) !== nonce) await takeBack(access, content.before);
        }
      }
      throw new RondoError(
        'JOURNAL_UNAVAILABLE',
        `The record "${key}" in "${namespace}" changes all the time. Nothing was written; try again.`,
        {
          details: { namespace, key },
        },
      );
    },

    async *read(namespace, key, from = 0): AsyncGenerator<Json, void, undefined> {
      const meta = await look(namespace, key);
      if (!meta || meta.gone || from >= meta.held) return;
      let next = from;
      let at: number | undefined;
      for await (const rows of rowsFrom(access, valuesKey(meta.id), from))
        for (const { seq, count, body, checksum } of rows) {
          at ??= seq;
          if (seq !== at || seq > next || crc32(body) !== checksum) {
            if ((await look(namespace, key))?.id !== meta.id) return;
            throw recordDamaged(namespace, key, next);
          }
          const values = JSON.parse(body) as Json[];
          for (const value of values.slice(next - seq)) yield value;
          at += count;
          next = at;
        }
      const still = next < meta.held ? await look(namespace, key) : undefined;
      if (still && !still.gone && still.id === meta.id) throw recordDamaged(namespace, key, next);
    },

    async *list(namespace, { after, limit = Number.MAX_SAFE_INTEGER } = {}): AsyncGenerator<string, void, undefined> {
      if (limit <= 0) return;
      const from = after === undefined ? ' ' : sortKey(after);
      let given = 0;
      for await (const { sk, key, held, gone } of access.query({
        pk: `records#${namespace}`,
        from,
        to: LAST,
        page: Math.min(100, limit + 1),
      })) {
        if ((after !== undefined && sk === from) || gone === 1 || !(Number(held) > 0)) continue;
        yield String(key);
        if (++given === limit) return;
      }
    },

    async delete(namespace, key) {
      access.refuseClosed();
      for (;;) {
        const meta = await look(namespace, key);
        if (!meta) return;
        if (meta.gone) return finish(namespace, meta);
        const gone: Meta = { ...meta, held: 0, rev: nonceOf(), gone: true };
        try {
          await access.write([put(namespace, gone, meta)]);
          return await finish(namespace, gone);
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
        }
      }
    },
  };
  return { records, change };
}
