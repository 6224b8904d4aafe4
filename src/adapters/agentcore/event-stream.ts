/**
 * Frames of `application/vnd.amazon.eventstream`: total length, length of the headers, CRC-32 of both, headers, body, CRC-32 of all.
 * Numbers are big-endian.
 */
import { crc32 } from 'node:zlib';

/** A header of type 7, a text. */
const TEXT = 7;
const PRELUDE = 12;
const CHECKSUM = 4;

export function frame(headers: Readonly<Record<string, string>>, body: Uint8Array): Uint8Array {
  const parts = Object.entries(headers).map(([name, value]) => {
    const key = Buffer.from(name);
    const text = Buffer.from(value);
    const sizes = Buffer.from([TEXT, text.length >> 8, text.length & 0xff]);
    return Buffer.concat([Buffer.from([key.length]), key, sizes, text]);
  });
  const head = Buffer.concat(parts);
  const all = Buffer.alloc(PRELUDE + head.length + body.length + CHECKSUM);
  all.writeUInt32BE(all.length, 0);
  all.writeUInt32BE(head.length, 4);
  all.writeUInt32BE(crc32(all.subarray(0, 8)), 8);
  head.copy(all, PRELUDE);
  all.set(body, PRELUDE + head.length);
  all.writeUInt32BE(crc32(all.subarray(0, -CHECKSUM)), all.length - CHECKSUM);
  return all;
}

export interface Frame {
  /** Those that are texts. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Bytes of a frame: 16 MiB of payload and 128 KiB of headers are the most that AWS sends. */
const MOST = 16 * 1_048_576 + 131_072 + PRELUDE + CHECKSUM;
/** Bytes of a value, by its type. Types 6 and 7 say their length. */
const SIZES: readonly (number | undefined)[] = [0, 0, 1, 2, 4, 8, undefined, undefined, 8, 16];

/** The frames of a stream. @throws Error for bytes that are no frames, and for a stream that ends within one. */
export async function* frames(from: AsyncIterable<Uint8Array>): AsyncGenerator<Frame, void, undefined> {
  let parts: Uint8Array[] = [];
  let size = 0;
  let next = PRELUDE;
  for await (const part of from) {
    parts.push(part);
    size += part.length;
    if (size < next) continue;
    let rest = Buffer.concat(parts);
    for (next = lengthIn(rest); rest.length >= next; next = lengthIn(rest)) {
      yield parsed(rest.subarray(0, next));
      rest = rest.subarray(next);
    }
    parts = [rest];
    size = rest.length;
  }
  if (size > 0) throw new Error('the event stream ended within a frame');
}

/** Bytes until more of the next frame is known. */
function lengthIn(bytes: Buffer): number {
  if (bytes.length < PRELUDE) return PRELUDE;
  const length = bytes.readUInt32BE(0);
  const head = bytes.readUInt32BE(4);
  if (bytes.readUInt32BE(8) !== crc32(bytes.subarray(0, 8)) || length > MOST || head > length - PRELUDE - CHECKSUM)
    throw new Error('the event stream has a frame with a wrong head');
  return length;
}

function parsed(all: Buffer): Frame {
  if (all.readUInt32BE(all.length - CHECKSUM) !== crc32(all.subarray(0, -CHECKSUM)))
    throw new Error('the event stream has a frame with a wrong checksum');
  const end = PRELUDE + all.readUInt32BE(4);
  const headers: Record<string, string> = {};
  for (let at = PRELUDE; at < end; ) {
    const name = all.subarray(at + 1, at + 1 + (all[at] as number)).toString();
    at += 1 + (all[at] as number);
    const type = all[at] as number;
    const known = SIZES[type];
    const value = at + (known === undefined ? 3 : 1);
    const length = known ?? (type < SIZES.length ? all.readUInt16BE(at + 1) : Number.NaN);
    at = value + length;
    // also where the type is unknown
    if (!(at <= end)) throw new Error('the event stream has a frame with a wrong header');
    if (type === TEXT) headers[name] = all.subarray(value, at).toString();
  }
  return { headers, body: all.subarray(end, -CHECKSUM) };
}
