import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { RondoError } from '../../src/errors.ts';
import { sha256 } from '../../src/journal/canonical.ts';
import { BLOB_BYTES, decode, encode, type StoredAppend } from '../../src/journal/entries/codec.ts';
import { type Entry, VERSION } from '../../src/journal/entries/entries.ts';
import type { Json } from '../../src/json.ts';

const finished = (seq: number, output: Json): Entry => ({
  v: VERSION,
  seq,
  at: 7,
  type: 'call.finished',
  call: '1.0',
  ok: true,
  output,
  attempts: 1,
  ms: 1,
});
const row = ({ body, checksum }: StoredAppend, seq = 0) => ({ seq, body, checksum });
const noBlob = () => undefined;
const blobs = (stored: StoredAppend) => (hash: string) => stored.blobs.find((blob) => blob.hash === hash)?.body;

describe('what is stored', () => {
  test('a small append is its JSON and the CRC-32 of it, and nothing else', () => {
    const entries = [finished(0, 'a'), finished(1, 'ż 漢 🎼')];
    const stored = encode(entries);
    expect(stored).toEqual({ body: JSON.stringify(entries), checksum: crc32(Buffer.from(JSON.stringify(entries))), blobs: [] });
    expect(decode(row(stored), noBlob)).toEqual(entries);
  });

  test('a field that may be large becomes a blob above 16 KB of its own JSON, counted in bytes', () => {
    const at = 'x'.repeat(BLOB_BYTES - 2);
    const above = `${at}x`;
    const wide = '漢'.repeat(BLOB_BYTES / 3);
    expect(encode([finished(0, at)]).blobs).toEqual([]);
    for (const output of [above, wide]) {
      const stored = encode([finished(0, output)]);
      const body = JSON.stringify(output);
      expect(stored.blobs).toEqual([{ hash: sha256(body), body }]);
      const { output: _, ...rest } = finished(0, output) as Entry & { output: Json };
      expect(JSON.parse(stored.body)).toEqual([{ ...rest, blobs: { output: sha256(body) } }]);
      expect(decode(row(stored), blobs(stored))).toEqual([finished(0, output)]);
    }
  });

  test('many small fields make a large append, and no blob', () => {
    const entries = Array.from({ length: 100 }, (_, seq) => finished(seq, 'x'.repeat(1_000)));
    const stored = encode(entries);
    expect(stored.blobs).toEqual([]);
    expect(decode(row(stored), noBlob)).toEqual(entries);
  });

  test('other fields stay in the entry, however large', () => {
    const entry: Entry = {
      v: VERSION,
      seq: 0,
      at: 7,
      type: 'attempt.failed',
      of: 'model',
      step: 1,
      attempt: 1,
      code: 'X',
      message: 'm'.repeat(50_000),
    };
    expect(encode([entry]).blobs).toEqual([]);
  });

  test('the entries given are left as they are', () => {
    const entry = Object.freeze(finished(0, 'x'.repeat(50_000)));
    encode([entry]);
    expect(entry).toEqual(finished(0, 'x'.repeat(50_000)));
  });

  test('user data named blobs is not mistaken for blobs', () => {
    const output = { blobs: { output: sha256('x') }, text: 'x'.repeat(20_000) };
    const stored = encode([finished(0, output), finished(1, { blobs: { output: 'y' } })]);
    expect(decode(row(stored), blobs(stored))).toEqual([finished(0, output), finished(1, { blobs: { output: 'y' } })]);
  });
});

describe('damaged appends are not returned', () => {
  const stored = encode([finished(3, 'żółć'), finished(4, { a: [1, 2] })]);
  const bytes = Buffer.from(stored.body);

  test('cut at any byte', () => {
    for (let length = 0; length < bytes.length; length++)
      expect(decode({ seq: 3, body: bytes.toString('utf8', 0, length), checksum: stored.checksum }, noBlob)).toBeUndefined();
  });

  test('with any bit of any byte turned', () => {
    for (let i = 0; i < bytes.length; i++)
      for (let bit = 0; bit < 8; bit++) {
        const hurt = Buffer.from(bytes);
        hurt[i] = (hurt[i] as number) ^ (1 << bit);
        expect(decode({ seq: 3, body: hurt.toString(), checksum: stored.checksum }, noBlob)).toBeUndefined();
      }
  });

  test('with a wrong checksum, or of another place', () => {
    expect(decode({ ...row(stored, 3), checksum: stored.checksum ^ 1 }, noBlob)).toBeUndefined();
    for (const seq of [0, 2, 4]) expect(decode(row(stored, seq), noBlob)).toBeUndefined();
    expect(decode(row(stored, 3), noBlob)).toHaveLength(2);
  });

  test('with a right checksum over something that is not an append', () => {
    for (const body of ['', '{', '{}', '7', 'null', '[1]', '[null]', '["x"]'])
      expect(decode({ seq: 0, body, checksum: crc32(body) }, noBlob)).toBeUndefined();
  });

  test('with a blob that is missing, or that is another', () => {
    const large = encode([finished(0, 'x'.repeat(20_000))]);
    expect(decode(row(large), noBlob)).toBeUndefined();
    expect(decode(row(large), () => JSON.stringify('y'.repeat(20_000)))).toBeUndefined();
    expect(decode(row(large), blobs(large))).toHaveLength(1);
  });
});

describe('versions', () => {
  const NEWER = VERSION + 1;
  const stored = (...entries: object[]) => {
    const body = JSON.stringify(entries);
    return { seq: 0, body, checksum: crc32(body) };
  };
  const code = (attempt: () => unknown) => {
    try {
      attempt();
    } catch (error) {
      if (RondoError.is(error)) return { code: error.code, message: error.message, details: error.details };
    }
    return undefined;
  };

  test('a newer entry is refused by its version, whatever else it contains', () => {
    const refusal = {
      code: 'JOURNAL_VERSION',
      message: expect.stringContaining('Upgrade rondo'),
      details: { version: NEWER, newest: VERSION },
    };
    for (const newer of [
      { v: NEWER, seq: 0 },
      { v: NEWER, place: 0 },
      { v: NEWER, seq: 0, blobs: ['another', 'form'] },
    ])
      expect(code(() => decode(stored(newer), noBlob))).toEqual(refusal);
    expect(code(() => decode(stored(finished(0, 'x'), { ...finished(1, 'x'), v: NEWER }), noBlob))).toEqual(refusal);
  });

  test('an older entry goes through every step to the newest, its blobs put back before', () => {
    const large = 'x'.repeat(20_000);
    const body = JSON.stringify(large);
    const steps = {
      1: (entry: object) => ({ ...entry, one: true }) as never,
      2: (entry: object) => ({ ...entry, two: (entry as { output: string }).output.length }) as never,
    };
    const { output: _, ...rest } = { ...finished(0, ''), v: 1 } as Entry & { output: Json };
    const old = stored({ ...rest, blobs: { output: sha256(body) } }, { ...finished(1, 'abc'), v: 2 }, { ...finished(2, ''), v: 3 });
    expect(decode(old, () => body, steps, 3)).toEqual([
      { ...finished(0, large), v: 3, one: true, two: 20_000 },
      { ...finished(1, 'abc'), v: 3, two: 3 },
      { ...finished(2, ''), v: 3 },
    ]);
  });

  test('a version that no step begins with is refused', () => {
    expect(code(() => decode(stored({ ...finished(0, ''), v: 0 }), noBlob))).toMatchObject({
      code: 'JOURNAL_VERSION',
      details: { version: 0 },
    });
    expect(code(() => decode(stored({ ...finished(0, ''), v: 1 }), noBlob, { 2: (entry) => entry }, 3))).toMatchObject({
      code: 'JOURNAL_VERSION',
    });
  });

  test('an entry of the newest version is not touched', () => {
    const steps = { [VERSION - 1]: () => expect.fail('a step was taken'), [VERSION]: () => expect.fail('a step was taken') };
    expect(decode(stored(finished(0, '')), noBlob, steps)).toEqual([finished(0, '')]);
  });
});
