/** Secrets as the local server keeps them: AES-256-GCM under a key that is not in the file of its state. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { invalid } from '../../../errors.ts';

export interface Sealing {
  /** @param about what the value is and whose, such as `api-key-provider weather`. It must be the same when it is opened. */
  seal(about: string, value: unknown): Uint8Array;
  /** @returns undefined for bytes that were changed, or sealed under another key, or about something else. */
  open<T>(about: string, bytes: Uint8Array): T | undefined;
}

const NONCE = 12;
const TAG = 16;
const KEY = 32;

/** @param key 32 bytes. */
export function sealing(key: Uint8Array): Sealing {
  const secret = createSecretKey(key);
  return {
    seal(about, value) {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(Buffer.from(about));
      return Buffer.concat([nonce, cipher.update(serialize(value)), cipher.final(), cipher.getAuthTag()]);
    },
    open<T>(about: string, bytes: Uint8Array): T | undefined {
      if (bytes.length < NONCE + TAG) return undefined;
      try {
        const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, NONCE), { authTagLength: TAG });
        decipher.setAAD(Buffer.from(about)).setAuthTag(bytes.subarray(-TAG));
        return deserialize(Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()])) as T;
      } catch {
        return undefined;
      }
    },
  };
}

/**
 * The key of a state file, in a file beside it that its owner alone may read. @param make whether it is made if there is none.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function keyIn(path: string, make: boolean): Uint8Array {
  const wrong = (why: string, cause?: unknown) => invalid(`startAgentCore(): the key file ${path} ${why}`, { cause });
  let key: Uint8Array;
  try {
    if (make && !existsSync(path)) writeFileSync(path, randomBytes(KEY), { flag: 'wx', mode: 0o600 });
    chmodSync(path, 0o600);
    key = readFileSync(path);
  } catch (cause) {
    throw wrong(`cannot be read: ${(cause as Error).message}. It belongs to the state file, and what is sealed there needs it.`, cause);
  }
  if (key.length !== KEY) throw wrong(`is damaged: it has ${key.length} bytes instead of ${KEY}.`);
  return key;
}
