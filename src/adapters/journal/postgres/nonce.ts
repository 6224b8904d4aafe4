import { randomBytes } from 'node:crypto';

/** A random number of 48 bits, by which an append is recognized whose answer was lost. */
export const nonceOf = (): number => randomBytes(6).readUIntBE(0, 6);
