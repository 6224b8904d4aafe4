import { crypto } from '../../node.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const pool = new Uint8Array(16 * 128);
let used = pool.length;

/** A ULID: 26 characters that sort by time, of 48 bits of milliseconds and 80 random bits. */
export function newId(now = Date.now()): string {
  if (used === pool.length) {
    // getRandomValues is the same, and loads web crypto
    crypto.randomFillSync(pool);
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

let newest = '';

/** A ULID that is greater than those that this process made before, so that runs of one millisecond keep their order. */
export function nextId(now = Date.now()): string {
  const id = newId(now);
  newest = id > newest ? id : following(newest);
  return newest;
}

/** The next id in the order of text. */
function following(id: string): string {
  let at = id.length - 1;
  while (id[at] === ALPHABET.at(-1)) at--;
  const digit = ALPHABET[ALPHABET.indexOf(id[at] as string) + 1] as string;
  return id.slice(0, at) + digit + (ALPHABET[0] as string).repeat(id.length - at - 1);
}
