import { randomFillSync } from 'node:crypto';

/** Random bytes that were not used yet: to draw a few at a time takes as long as thousands. */
const drawn = Buffer.alloc(6 * 1_024);
let used = drawn.length;

/** A random number of 48 bits, by which an append is recognized whose answer was lost. */
export function nonceOf(): number {
  if (used === drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  const nonce = drawn.readUIntBE(used, 6);
  used += 6;
  return nonce;
}
