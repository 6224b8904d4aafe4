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
