/** Secrets as the local server keeps them: sealed under a key that is not in the file of its state. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { invalid } from '../../../errors.ts';
import { DataKey } from '../../keys/data-key.ts';
import { keyBytes, keyFile } from '../../keys/key-file.ts';

export interface Sealing {
  /** @param about what the value is and whose, such as `the key of weather`. It must be the same when it is opened. @param value plain JSON. */
  seal(about: string, value: unknown): string;
  /** @returns undefined for a text that was changed, or sealed under another key, or about something else. */
  open<T>(about: string, sealed: string): T | undefined;
}

/** @param key 32 bytes; default: random, for what ends with the process. */
export function sealing(key: Uint8Array = randomBytes(32)): Sealing {
  const dataKey = new DataKey(createHash('sha256').update(key).digest('hex').slice(0, 16), key);
  return {
    seal: (about, value) => dataKey.seal(JSON.stringify(value), about),
    open<T>(about: string, sealed: string): T | undefined {
      const text = dataKey.open(sealed, about);
      return text === undefined ? undefined : (JSON.parse(text) as T);
    },
  };
}

/**
 * The key of a state file, in a file beside it that its owner alone may read. @param make whether it is made if there is none.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function keyIn(path: string, make: boolean): Uint8Array {
  if (!make && !existsSync(path))
    throw invalid(`startAgentCore(): the key file ${path} is missing. What is sealed in the state needs it: put it there again.`);
  const { current, keys } = keyFile(path)();
  return keyBytes(keys[current] as string);
}
