/**
 * The data keys of a journal, each wrapped by a master key, as records of a store.
 *
 * A key is in one of two namespaces. It is wrapped again by a copy into the other one, and then deleted from the first: at any moment a
 * crash leaves the same key in one of them, or in both.
 */
import { randomBytes } from 'node:crypto';
import { invalid, RondoError } from '../../../errors.ts';
import { digest } from '../../../journal/canonical.ts';
import type { Records } from '../../../journal/records.ts';
import { RESERVED } from '../../../journal/sealed.ts';
import type { Json } from '../../../json.ts';
import { DataKey, newId } from '../../keys/data-key.ts';
import type { Masters } from '../../keys/master.ts';
import { keyUnavailable } from './master.ts';

const SLOTS = [`${RESERVED}/0`, `${RESERVED}/1`] as const;
const PAGE = 100;
/** Most data keys in memory, and for how many milliseconds. */
const MOST = 1_000;
const KEPT = 300_000;
/** A key that is younger than this many milliseconds may be of something that is about to be written. */
const YOUNG = 3_600_000;

/** What a key is for. Keys of the same are the same. */
export type For = { run: string } | { record: readonly [namespace: string, key: string] } | ForEvent | { store: true };
export type ForEvent = { event: string; tenant: string | null };

/** A key as it is stored. */
interface Wrapped {
  id: string;
  for: For;
  /** The name of the master key. */
  by: string;
  key: string;
  /** When it was made, epoch milliseconds. */
  at: number;
}

/** A store may give the fields back in another order. */
export const nameOf = (of: For): string => digest(of);

export class Ring {
  readonly #records: Records;
  readonly #masters: Masters;
  /** Whether the keys are stored apart from what they encrypt, so that the order of two writes is not kept by the store. */
  readonly #apart: boolean;
  readonly #known = new Map<string, { key: DataKey; until: number; doubt: boolean }>();
  readonly #making = new Map<string, Promise<DataKey>>();

  constructor(records: Records, masters: Masters, apart: boolean) {
    this.#records = records;
    this.#masters = masters;
    this.#apart = apart;
  }

  /** The key in memory, if there is reason to believe that it is still the stored one. */
  ready(name: string): DataKey | undefined {
    const known = this.#known.get(name);
    return known && !known.doubt && known.until > performance.now() ? known.key : undefined;
  }

  /** Looks it up again before the next write: another process may remove what it is for. */
  doubt(name: string): void {
    const known = this.#known.get(name);
    if (known) known.doubt = true;
  }

  /** The key of this id. A newer one of the same name is found if another process made it. */
  async ofId(name: string, id: string): Promise<DataKey | undefined> {
    const known = this.#known.get(name);
    if (known?.key.id === id && known.until > performance.now()) return known.key;
    const key = await this.find(name);
    return key?.id === id ? key : undefined;
  }

  /** The stored key. @throws RondoError `JOURNAL_KEY_UNAVAILABLE`, or what the store and the key service throw. */
  async find(name: string): Promise<DataKey | undefined> {
    const stored = await this.#stored(name);
    if (!stored) {
      this.#known.delete(name);
      return undefined;
    }
    const known = this.#known.get(name)?.key;
    const key = known?.id === stored.id ? known : new DataKey(stored.id, await this.#unwrap(name, stored));
    this.#keep(name, key);
    return key;
  }

  /** When the stored key was made, epoch milliseconds; undefined if there is none. */
  async madeAt(name: string): Promise<number | undefined> {
    return (await this.#stored(name))?.at;
  }

  /** The stored key, or a new one. Of several processes that make it at once, all get the same. */
  make(of: For, sync?: 'power' | 'process'): Promise<DataKey> {
    const name = nameOf(of);
    const making = this.#making.get(name);
    if (making) return making;
    const made = this.#made(name, of, this.#apart ? 'power' : sync).finally(() => this.#making.delete(name));
    this.#making.set(name, made);
    return made;
  }

  async #made(name: string, of: For, sync: 'power' | 'process' | undefined): Promise<DataKey> {
    const found = await this.find(name);
    if (found) return found;
    const id = newId();
    const bytes = randomBytes(32);
    const by = await this.#masters.current();
    const key = (await this.#masters.wrap(by, bytes, contextOf(name, id))) as Buffer;
    const value = { id, for: of, by, key: Buffer.from(key).toString('base64'), at: Date.now() } satisfies Wrapped;
    try {
      await this.#records.append(SLOTS[0], name, [value], { expected: 0, ...(sync && { sync }) });
    } catch (error) {
      const other = RondoError.is(error, 'JOURNAL_CONFLICT') && (await this.find(name));
      if (other) return other;
      throw error;
    }
    const made = new DataKey(id, bytes);
    this.#keep(name, made);
    return made;
  }

  /** Destroys a key. When this resolves it is in none of the store's files, nor in the memory of this process. */
  async destroy(name: string): Promise<void> {
    this.#known.delete(name);
    for (const slot of SLOTS) if (await this.#value(slot, name)) await this.#records.delete(slot, name);
  }

  /** Wraps keys of other master keys by the current one. @param isGone whether what a key is for is not stored any more. */
  async rotate(isGone: (of: For) => Promise<boolean>): Promise<{ rewrapped: number; destroyed: number }> {
    const by = await this.#masters.current();
    let rewrapped = 0;
    let destroyed = 0;
    for (const [i, slot] of SLOTS.entries()) {
      const other = SLOTS[1 - i] as string;
      for (let after: string | undefined; ; ) {
        const page: string[] = [];
        for await (const name of this.#records.list(slot, { limit: PAGE, ...(after !== undefined && { after }) })) page.push(name);
        if (page.length === 0) break;
        after = page.at(-1);
        for (const name of page) {
          const stored = await this.#value(slot, name);
          if (!stored) continue;
          if (stored.at < Date.now() - YOUNG && (await isGone(stored.for))) {
            await this.destroy(name);
            destroyed++;
          } else if (stored.by !== by) {
            await this.#moved(name, stored, by, slot, other);
            rewrapped++;
          }
        }
      }
    }
    return { rewrapped, destroyed };
  }

  async #moved(name: string, stored: Wrapped, by: string, slot: string, other: string): Promise<void> {
    const bytes = await this.#unwrap(name, stored);
    const key = Buffer.from(await this.#masters.wrap(by, bytes, contextOf(name, stored.id))).toString('base64');
    const there = await this.#value(other, name);
    // one that an interrupted rotation left behind may be wrapped by an older master key
    if (there && there.by !== by) await this.#records.delete(other, name);
    if (there?.by !== by) await this.#records.append(other, name, [{ ...stored, by, key }], { expected: 0, sync: 'power' });
    await this.#records.delete(slot, name);
  }

  async #stored(name: string): Promise<Wrapped | undefined> {
    // the first one again: it may have been moved there between the two
    for (const slot of [...SLOTS, SLOTS[0]]) {
      const found = await this.#value(slot, name);
      if (found) return found;
    }
    return undefined;
  }

  async #value(slot: string, name: string): Promise<Wrapped | undefined> {
    for await (const value of this.#records.read(slot, name)) return wrappedOf(value, name);
    return undefined;
  }

  #unwrap(name: string, { id, by, key }: Wrapped): Promise<Uint8Array> {
    return this.#masters.unwrap(by, Buffer.from(key, 'base64'), contextOf(name, id));
  }

  #keep(name: string, key: DataKey): void {
    this.#known.delete(name);
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value as string);
    this.#known.set(name, { key, until: performance.now() + KEPT, doubt: false });
  }

  clear(): void {
    this.#known.clear();
  }
}

const contextOf = (name: string, id: string) => `rondo key ${name} ${id}`;

function wrappedOf(value: Json, name: string): Wrapped {
  const { id, by, key, at, for: of } = (value ?? {}) as Partial<Wrapped>;
  if (typeof id === 'string' && typeof by === 'string' && typeof key === 'string' && typeof at === 'number' && typeof of === 'object' && of)
    return { id, by, key, at, for: of };
  throw keyUnavailable(`The stored data key ${name} is damaged. Restore the store of the keys from a copy.`);
}

export const isReserved = (namespace: string): boolean => namespace.startsWith(RESERVED);

/** @throws RondoError `CONFIG_INVALID` */
export function assertFree(namespace: string): void {
  if (isReserved(namespace)) throw invalid(`The namespace "${namespace}" holds the data keys of an encrypted journal. Use another one.`);
}
