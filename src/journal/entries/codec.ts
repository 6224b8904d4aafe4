/**
 * The stored form of an append: a JSON array of its entries, and a checksum of its bytes.
 *
 * A field listed in BLOB_FIELDS whose JSON exceeds 16 KB is stored separately, as a blob under the SHA-256 of that JSON. The
 * entry then has `blobs: { field: hash }` instead. No entry type has a field `blobs`, and user data is always nested deeper, so the two
 * cannot be confused.
 */
import { crc32 } from 'node:zlib';
import { sha256 } from '../canonical.ts';
import type { Entry, EntryType, RawEntry } from './entries.ts';
import { VERSION } from './entries.ts';
import type { Upcasters } from './upcast.ts';
import { upcast } from './upcast.ts';

/** Fields that may be large, by entry type. A store may keep them apart from the entry, as blobs. */
const BLOB_FIELDS: Readonly<Partial<Record<EntryType | 'entry.sealed', readonly string[]>>> = {
  'run.started': ['input', 'earlier', 'history', 'context'],
  'run.claimed': ['history'],
  'run.settled': ['output'],
  'message.received': ['content', 'earlier'],
  'context.changed': ['instructions', 'memory', 'tools', 'reshaped'],
  'context.compacted': ['dropped', 'cleared', 'summary'],
  'model.responded': ['content'],
  'frame.opened': ['input', 'history'],
  'frame.began': ['state', 'next'],
  'state.changed': ['state'],
  'call.started': ['input'],
  'call.finished': ['output', 'content', 'state', 'next'],
  'approval.requested': ['input'],
  'approval.decided': ['decision'],
  'outcome.settled': ['output'],
  'entry.sealed': ['box'], // of an encrypted journal
};

/** A field in BLOB_FIELDS becomes a blob if its JSON has more bytes than this. */
export const BLOB_BYTES = 16_384;

export interface StoredBlob {
  /** SHA-256 of the body, in hex. */
  readonly hash: string;
  /** The JSON of the field. */
  readonly body: string;
}
export interface StoredAppend {
  /** The JSON array of the entries. */
  readonly body: string;
  /** CRC-32 of the body's UTF-8 bytes. */
  readonly checksum: number;
  /** The fields that the body refers to by hash. Empty for most appends. */
  readonly blobs: readonly StoredBlob[];
}

const NONE: readonly StoredBlob[] = [];

/** Encodes the entries of one append. */
export function encode(entries: readonly Entry[]): StoredAppend {
  const body = JSON.stringify(entries);
  // a UTF-16 unit takes at most three bytes, so most bodies need not be counted
  if (body.length * 3 <= BLOB_BYTES || Buffer.byteLength(body) <= BLOB_BYTES) return { body, checksum: crc32(body), blobs: NONE };
  const blobs: StoredBlob[] = [];
  const slim = JSON.stringify(entries.map((entry) => takeOut(entry, blobs)));
  return { body: slim, checksum: crc32(slim), blobs };
}

function takeOut(entry: Entry, into: StoredBlob[]): object {
  const fields = BLOB_FIELDS[entry.type];
  if (!fields) return entry;
  let stored: Record<string, unknown> | undefined;
  const hashes: Record<string, string> = {};
  for (const field of fields) {
    const body = JSON.stringify(entry[field as keyof Entry]);
    if (body === undefined || Buffer.byteLength(body) <= BLOB_BYTES) continue;
    const hash = sha256(body);
    into.push({ hash, body });
    hashes[field] = hash;
    stored ??= { ...entry };
    delete stored[field];
  }
  return stored ? { ...stored, blobs: hashes } : entry;
}

/**
 * Decodes a stored append into entries of the current format. Undefined if it is damaged: the checksum, a sequence number or a blob is wrong.
 * @param blob finds the body of a blob by its hash. @param steps upcasters and newest version, which only tests replace.
 * @throws RondoError `JOURNAL_VERSION` if an entry has a newer format.
 */
export function decode(
  row: { readonly seq: number; readonly body: string; readonly checksum: number },
  blob: (hash: string) => string | undefined,
  steps?: Upcasters,
  newest: number = VERSION,
): Entry[] | undefined {
  // a damaged store may return another type than was written
  if (typeof row.body !== 'string' || crc32(row.body) !== row.checksum) return undefined;
  const raws = parse(row.body);
  if (!raws) return undefined;
  const entries: Entry[] = new Array(raws.length);
  for (let i = 0; i < raws.length; i++) {
    let raw = raws[i] as RawEntry;
    // a newer format may be laid out differently, so it is left to upcast(), which refuses it
    if (!(raw.v > newest)) {
      if (raw.seq !== row.seq + i) return undefined;
      const whole = 'blobs' in raw ? putBack(raw, blob) : raw;
      if (!whole) return undefined;
      raw = whole;
    }
    entries[i] = upcast(raw, steps, newest);
  }
  return entries;
}

function parse(body: string): RawEntry[] | undefined {
  try {
    const raws: unknown = JSON.parse(body);
    return Array.isArray(raws) && raws.every((raw) => typeof raw === 'object' && raw !== null) ? raws : undefined;
  } catch {
    return undefined;
  }
}

function putBack(raw: RawEntry, blob: (hash: string) => string | undefined): RawEntry | undefined {
  const { blobs, ...entry } = raw as RawEntry & { blobs: Readonly<Record<string, string>> };
  for (const [field, hash] of Object.entries(blobs)) {
    const body = blob(hash);
    if (typeof body !== 'string' || sha256(body) !== hash) return undefined;
    (entry as Record<string, unknown>)[field] = JSON.parse(body);
  }
  return entry as RawEntry;
}
