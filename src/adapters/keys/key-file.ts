/** Master keys that are kept on this machine: in a file of their owner, or in the environment. */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { invalid } from '../../errors.ts';
import type { KeySet } from './master.ts';

const KEY = /^(?:[0-9a-f]{64}|[A-Za-z0-9+/]{43}=)$/i;

/**
 * The keys of a file: a key a line, 32 bytes as hex or base64. The last one is the current one. A file that is missing is made, with one
 * new key, for its owner alone.
 * @returns a function that reads the file, for `sqliteVault()` and `encrypted()`. It throws RondoError `CONFIG_INVALID` for a file that others
 *   may read, or that holds something else.
 */
export function keyFile(path: string): () => KeySet {
  if (typeof path !== 'string' || path === '') throw invalid("keyFile() takes the path of a file: keyFile('vault.key').");
  return () => setOf(read(path).split(/\r?\n/), `keyFile(): ${path}`);
}

/**
 * The keys of an environment variable: 32 bytes as hex or base64, several with commas between them. The last one is the current one.
 * @returns a function that reads it. It throws RondoError `CONFIG_INVALID` if it is not set, or is something else.
 */
export function keyEnv(name: string): () => KeySet {
  return () => setOf((process.env[name] ?? '').split(','), `keyEnv(): the environment variable ${name}`);
}

/** The 32 bytes of a key of a file or the environment. */
export const keyBytes = (text: string): Buffer => Buffer.from(text, text.length === 64 ? 'hex' : 'base64');

/** A key has its fingerprint as its name, so that a missing one can be told. The message never shows a key. */
function setOf(texts: readonly string[], where: string): KeySet {
  const keys: { [name: string]: string } = Object.create(null);
  let current: string | undefined;
  for (const text of texts.map((one) => one.trim())) {
    if (text === '') continue;
    if (!KEY.test(text)) throw invalid(`${where} holds something that is not a key of 32 bytes as hex or base64: openssl rand -hex 32.`);
    current = createHash('sha256').update(keyBytes(text)).digest('hex').slice(0, 12);
    keys[current] = text;
  }
  if (current === undefined) throw invalid(`${where} holds no key: openssl rand -hex 32.`);
  return { current, keys };
}

function read(path: string): string {
  let file: number;
  try {
    file = opened(path);
  } catch (cause) {
    throw invalid(`keyFile(): ${path} cannot be opened: ${(cause as Error).message}.`, { cause });
  }
  try {
    const { mode } = fstatSync(file);
    if (process.platform !== 'win32' && mode & 0o077)
      throw invalid(`keyFile(): ${path} can be used by others (mode ${(mode & 0o777).toString(8)}): chmod 600 it, and rotate its keys.`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** The file, which is made with a new key if it is missing. Of several processes that make it at once, one does. */
function opened(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  mkdirSync(dirname(path), { recursive: true });
  // the key is written under another name, so that the file is never there without it
  const made = `${path}.${randomBytes(6).toString('hex')}`;
  const file = openSync(made, 'wx', 0o600);
  try {
    writeSync(file, `${randomBytes(32).toString('hex')}\n`);
    fsyncSync(file);
    linkOrCopy(made, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    closeSync(file);
    unlinkSync(made);
  }
  return openSync(path, 'r');
}

/** @throws `EEXIST` if the file is there. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    // some file systems have no links
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    copyFileSync(from, to, constants.COPYFILE_EXCL);
  }
}
