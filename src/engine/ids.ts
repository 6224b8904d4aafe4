import { crypto } from '../node.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const pool = new Uint8Array(16 * 128);
let used = pool.length;

/** A ULID: 26 characters that sort by time, of 48 bits of milliseconds and 80 random bits. */
export function newId(now = Date.now()): string {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  let id = '';
  for (let shift = now, i = 0; i < 10; i++) {
    id = ALPHABET[shift % 32] + id;
    shift = Math.floor(shift / 32);
  }
  for (let i = 0; i < 16; i++) id += ALPHABET[(pool[used + i] as number) & 31];
  used += 16;
  return id;
}
