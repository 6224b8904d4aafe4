/** A data key: what content is encrypted with. Each box says which key it is for, and is bound to its place. */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

const VERSION = 1;
const ID = 8;
const NONCE = 12;
const TAG = 16;
const HEAD = 1 + ID;

export const newId = (): string => randomBytes(ID).toString('hex');

/** The id of the key that a box was sealed with; undefined if it is not a box. */
export function keyIdOf(box: unknown): string | undefined {
  if (typeof box !== 'string') return undefined;
  // 12 characters are 9 bytes
  const head = Buffer.from(box.slice(0, (HEAD / 3) * 4), 'base64');
  return head.length === HEAD && head[0] === VERSION ? head.toString('hex', 1) : undefined;
}

/**
 * AES-256-GCM, as base64: version, id of the key, nonce, ciphertext, tag. `about` says where the box belongs, and is authenticated.
 */
export class DataKey {
  readonly id: string;
  readonly #head: Buffer;
  readonly #bytes: Uint8Array;
  readonly #seal: KeyObject;
  #same: { nonce: KeyObject; seal: KeyObject } | undefined;

  constructor(id: string, bytes: Uint8Array) {
    this.id = id;
    this.#bytes = bytes;
    this.#head = Buffer.concat([Buffer.from([VERSION]), Buffer.from(id, 'hex')]);
    this.#seal = this.#part('seal');
  }

  #part(use: string): KeyObject {
    return createSecretKey(Buffer.from(hkdfSync('sha256', this.#bytes, '', `rondo ${use}`, 32)));
  }

  /** Equal texts give different boxes. */
  seal(text: string, about: string): string {
    return sealed(this.#head, this.#seal, randomBytes(NONCE), text, about);
  }

  /** Undefined if it was changed, cut, moved to another place, or sealed with another key. */
  open(box: unknown, about: string): string | undefined {
    return keyIdOf(box) === this.id ? opened(this.#seal, box as string, about) : undefined;
  }

  /** Equal texts of one place give the same box, so that a store can look for it: the nonce is an HMAC of both. */
  name(text: string, about: string): string {
    const { nonce, seal } = this.#names();
    const mac = createHmac('sha256', nonce)
      .update(JSON.stringify([about, text]))
      .digest();
    return sealed(this.#head, seal, mac.subarray(0, NONCE), text, about);
  }

  openName(box: unknown, about: string): string | undefined {
    return keyIdOf(box) === this.id ? opened(this.#names().seal, box as string, about) : undefined;
  }

  /** A name that cannot be opened: HMAC-SHA-256, in hex. */
  mac(text: string, about: string): string {
    return createHmac('sha256', this.#names().nonce)
      .update(JSON.stringify(['mac', about, text]))
      .digest('hex');
  }

  #names() {
    this.#same ??= { nonce: this.#part('name'), seal: this.#part('named') };
    return this.#same;
  }
}

function sealed(head: Buffer, key: KeyObject, nonce: Buffer, text: string, about: string): string {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(about));
  const body = cipher.update(text, 'utf8');
  cipher.final();
  return Buffer.concat([head, nonce, body, cipher.getAuthTag()]).toString('base64');
}

function opened(key: KeyObject, box: string, about: string): string | undefined {
  const bytes = Buffer.from(box, 'base64');
  if (bytes.length < HEAD + NONCE + TAG) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(HEAD, HEAD + NONCE), { authTagLength: TAG });
    decipher.setAAD(Buffer.from(about)).setAuthTag(bytes.subarray(-TAG));
    const text = decipher.update(bytes.subarray(HEAD + NONCE, -TAG)).toString('utf8');
    decipher.final();
    return text;
  } catch {
    return undefined;
  }
}
