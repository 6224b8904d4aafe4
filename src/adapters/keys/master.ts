/** Master keys: they wrap the data keys, and nothing else. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { invalid, RondoError } from '../../errors.ts';
import { isName } from '../../ports/principal.ts';

/** 32 bytes, or their base64 or hex. */
export type MasterKey = Uint8Array | string;

/** Keys by name. `current` wraps new data keys; the others only unwrap. */
export interface KeySet {
  current: string;
  keys: { readonly [name: string]: MasterKey };
}

/** A service that keeps the master keys, such as a KMS. A method may return a value or a promise. */
export interface KeyService {
  /** The name of the key that wraps new data keys. Read at each use, so that it may change. */
  readonly current: string;
  /**
   * Encrypts a data key of 32 bytes under the named master key.
   * @param context what the key is for: authenticate it, and refuse to unwrap under another one.
   */
  wrap(name: string, key: Uint8Array, context: string): Uint8Array | Promise<Uint8Array>;
  unwrap(name: string, wrapped: Uint8Array, context: string): Uint8Array | Promise<Uint8Array>;
}

/** A function is called at the first use, and again for a name that it did not return before: so keys can be added while a process runs. */
export type MasterKeys = KeySet | (() => KeySet | Promise<KeySet>) | KeyService;

/** The same for all three forms. */
export interface Masters {
  current(): Promise<string>;
  wrap(name: string, key: Uint8Array, context: string): Promise<Uint8Array>;
  /** @throws RondoError of the owner, see {@link KeyOwner}. */
  unwrap(name: string, wrapped: Uint8Array, context: string): Promise<Uint8Array>;
}

const BYTES = 32;
const NONCE = 12;
const TAG = 16;

/** What the keys are for: its name in messages, and its errors. */
export interface KeyOwner {
  /** For example `encrypted()`. */
  readonly where: string;
  /** What to do until an old key can be taken out, as in `rotate() is done`. */
  readonly rotated: string;
  /** A key that is needed is not there, or is another one. */
  unavailable(message: string, details: { key: string }, cause?: unknown): RondoError;
  /** A function or a service that gives keys failed. */
  failed(cause: unknown): RondoError;
}

/** @throws RondoError `CONFIG_INVALID` */
export function mastersOf(given: MasterKeys, owner: KeyOwner): Masters {
  if (typeof given === 'function') return asked(given, owner);
  if (typeof given !== 'object' || given === null)
    throw invalid(
      `${owner.where} takes its master keys as { current, keys }, as a function that returns them, or as { current, wrap, unwrap }.`,
    );
  return 'wrap' in given ? service(given, owner) : local(read(given, owner), owner);
}

type Read = { current: string; keys: ReadonlyMap<string, Buffer> };

function read({ current, keys }: KeySet, { where }: KeyOwner): Read {
  if (typeof keys !== 'object' || keys === null) throw invalid(`${where}: keys are given by name: { current: "k1", keys: { k1 } }.`);
  const found = new Map(Object.entries(keys).map(([name, key]) => [name, bytesOf(name, key, where)] as const));
  for (const name of found.keys()) if (!isName(name)) throw invalid(`${where}: the name of a key is a text of 1 to 500 characters.`);
  if (!found.has(current)) throw invalid(`${where}: current is "${current}", and there is no key of this name.`);
  return { current, keys: found };
}

/** The message never shows the key. */
function bytesOf(name: string, key: MasterKey, where: string): Buffer {
  const bytes =
    typeof key !== 'string' ? Buffer.from(key ?? []) : /^[0-9a-f]{64}$/i.test(key) ? Buffer.from(key, 'hex') : Buffer.from(key, 'base64');
  if (bytes.length !== BYTES)
    throw invalid(`${where}: the key "${name}" has ${bytes.length} bytes, and needs ${BYTES}: crypto.randomBytes(${BYTES}).`);
  return bytes;
}

const local = (set: Read, owner: KeyOwner): Masters => ({
  current: async () => set.current,
  wrap: async (name, key, context) => wrapped(set.keys.get(name) as Buffer, key, context),
  async unwrap(name, bytes, context) {
    const master = set.keys.get(name);
    if (!master)
      throw owner.unavailable(`A data key is wrapped by the master key "${name}", which was not given. Give it, until ${owner.rotated}.`, {
        key: name,
      });
    return unwrapped(owner, name, master, bytes, context);
  },
});

function asked(ask: () => KeySet | Promise<KeySet>, owner: KeyOwner): Masters {
  let known: Promise<Read> | undefined;
  const again = () => {
    known = (async () => {
      try {
        return read(await ask(), owner);
      } catch (error) {
        known = undefined;
        throw RondoError.is(error) ? error : owner.failed(error);
      }
    })();
    return known;
  };
  return {
    current: async () => (await (known ?? again())).current,
    wrap: async (name, key, context) => local(await (known ?? again()), owner).wrap(name, key, context),
    async unwrap(name, bytes, context) {
      let set = await (known ?? again());
      if (!set.keys.has(name)) set = await again();
      return local(set, owner).unwrap(name, bytes, context);
    },
  };
}

function service(given: KeyService, owner: KeyOwner): Masters {
  const call = async (what: () => Uint8Array | Promise<Uint8Array>) => {
    try {
      return Buffer.from(await what());
    } catch (error) {
      throw RondoError.is(error) ? error : owner.failed(error);
    }
  };
  return {
    async current() {
      if (!isName(given.current))
        throw invalid(`${owner.where}: current of a key service is the name of a key, a text of 1 to 500 characters.`);
      return given.current;
    },
    wrap: (name, key, context) => call(() => given.wrap(name, key, context)),
    async unwrap(name, bytes, context) {
      const key = await call(() => given.unwrap(name, bytes, context));
      if (key.length !== BYTES)
        throw owner.unavailable(`The key service unwrapped ${key.length} bytes, and a data key has ${BYTES}.`, { key: name });
      return key;
    },
  };
}

function wrapped(master: Buffer, key: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv('aes-256-gcm', master, nonce).setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

function unwrapped(owner: KeyOwner, name: string, master: Buffer, bytes: Uint8Array, context: string): Buffer {
  try {
    const decipher = createDecipheriv('aes-256-gcm', master, bytes.subarray(0, NONCE), { authTagLength: TAG });
    decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()]);
  } catch (error) {
    throw owner.unavailable(
      `The master key "${name}" does not open a data key that was wrapped under this name: it is another key, or the wrapped key was changed.`,
      { key: name },
      error,
    );
  }
}
