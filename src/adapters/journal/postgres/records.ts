/** Data other than runs, see `src/journal/records.ts`. */
import { crc32 } from 'node:zlib';
import { recordConflict, recordDamaged } from '../../../journal/errors.ts';
import type { Records } from '../../../journal/records.ts';
import type { Json } from '../../../json.ts';
import { nonceOf } from '../rows/nonce.ts';
import type { Access } from './access.ts';
import type { Query } from './client.ts';

interface ValueRow {
  id: number;
  held: number;
  seq: number | null;
  body: string;
  checksum: number;
}

/** Values read at a time, and keys. */
const CHUNK = 64;

export type AppendRecord = ReturnType<typeof recordsOf>['append'];

/** @param durability the journal's own setting, which overrides that of an append. */
export function recordsOf(access: Access, durability: 'power' | 'process' | undefined) {
  const { query } = access;
  const { of } = access.names;
  const MAKE = `INSERT INTO ${of('record')} (namespace, key, held) VALUES ($1, $2, 0) ON CONFLICT (namespace, key) DO NOTHING`;
  const TAKE = `SELECT id, held FROM ${of('record')} WHERE namespace = $1 AND key = $2 FOR UPDATE`;
  const ADD = `
    WITH grown AS (UPDATE ${of('record')} SET held = $2 WHERE id = $1 RETURNING id)
    INSERT INTO ${of('record_value')} (record, seq, nonce, body, checksum)
    SELECT grown.id, v.* FROM grown, unnest($3::integer[], $4::bigint[], $5::text[], $6::bigint[]) AS v(seq, nonce, body, checksum)`;
  const STORED = `SELECT seq FROM ${of('record_value')} WHERE record = $1 AND nonce = $2 ORDER BY seq DESC LIMIT 1`;
  const PAGE = `
    SELECT r.id, r.held, v.seq, v.body, v.checksum FROM ${of('record')} AS r LEFT JOIN LATERAL (
      SELECT seq, body, checksum FROM ${of('record_value')} WHERE record = r.id AND seq >= $3 ORDER BY seq LIMIT ${CHUNK}) AS v ON true
    WHERE r.namespace = $1 AND r.key = $2 ORDER BY v.seq`;
  const KEYS = `SELECT key FROM ${of('record')} WHERE namespace = $1 AND key > $2 AND held > 0 ORDER BY key LIMIT $3`;
  const DROP_VALUES = `DELETE FROM ${of('record_value')} WHERE record = $1`;
  const DROP = `DELETE FROM ${of('record')} WHERE id = $1`;

  /** In a transaction. @param nonce by which a repeated append finds that it was stored. */
  async function append(tx: Query, namespace: string, key: string, values: readonly Json[], expected: number | undefined, nonce: number) {
    if (values.length > 0) await tx(MAKE, [namespace, key]);
    const [found] = await tx<{ id: number; held: number }>(TAKE, [namespace, key]);
    const held = found?.held ?? 0;
    if (found && values.length > 0 && held > 0) {
      const [stored] = await tx<{ seq: number }>(STORED, [found.id, nonce]);
      if (stored) return stored.seq + 1;
    }
    if (expected !== undefined && held !== expected) throw recordConflict(namespace, key, expected, held);
    if (!found || values.length === 0) return held;
    const bodies = values.map((value) => JSON.stringify(value));
    const seqs = bodies.map((_, i) => held + i);
    const nonces = bodies.map(() => nonce);
    await tx(ADD, [found.id, held + values.length, seqs, nonces, bodies, bodies.map((body) => crc32(body))]);
    return held + values.length;
  }

  const records: Records = {
    append(namespace, key, values, { expected, sync = 'process' } = {}) {
      access.refuseClosed();
      const nonce = nonceOf();
      return access.transact(durability ?? sync, (tx) => append(tx, namespace, key, values, expected, nonce));
    },

    async *read(namespace, key, from = 0): AsyncGenerator<Json, void, undefined> {
      let id: number | undefined;
      for (let next = from; ; ) {
        const rows = await query<ValueRow>(PAGE, [namespace, key, next]);
        const [first] = rows;
        // the record was deleted while it was read
        if (!first || (id !== undefined && first.id !== id) || next >= first.held) return;
        id = first.id;
        for (const { seq, body, checksum } of rows) {
          if (seq !== next || crc32(body) !== checksum) throw recordDamaged(namespace, key, next);
          next++;
          yield JSON.parse(body);
        }
      }
    },

    async *list(namespace, { after = '', limit = Number.MAX_SAFE_INTEGER } = {}): AsyncGenerator<string, void, undefined> {
      for (const { key } of await query<{ key: string }>(KEYS, [namespace, after, limit])) yield key;
    },

    delete: (namespace, key) =>
      access.transact('power', async (tx) => {
        const [found] = await tx<{ id: number }>(TAKE, [namespace, key]);
        if (!found) return;
        await tx(DROP_VALUES, [found.id]);
        await tx(DROP, [found.id]);
      }),
  };
  return { records, append };
}
