/** What a store must find again by equality: sealed so that equal names are equal boxes, under a key of the whole store. */

import { detailOf, RondoError } from '../../../errors.ts';
import { lazy } from '../../../flight.ts';
import type { Claim, ClaimChange, ClaimKey } from '../../../journal/claims.ts';
import { sessionBusy } from '../../../journal/errors.ts';
import type { HeadFilter, Journal, RunHead } from '../../../journal/port.ts';
import { mark } from '../../../journal/sealed.ts';
import { plainJson } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import type { DataKey } from '../../keys/data-key.ts';
import { keyUnavailable } from './master.ts';
import { nameOf, type Ring } from './ring.ts';

type Kind = 'session' | 'by' | 'digest' | 'event id' | 'event key';

const MOST = 1_000;

export class Names {
  readonly #key: DataKey;
  readonly #sealed = new Map<string, string>();
  readonly #opened = new Map<string, string>();

  constructor(key: DataKey) {
    this.#key = key;
  }

  /** '' stays '': a store writes it for what is forgotten. */
  seal(kind: Kind, text: string): string {
    if (text === '') return '';
    const known = this.#sealed.get(`${kind} ${text}`);
    if (known !== undefined) return known;
    // as JSON, which can hold half a character
    return keep(this.#sealed, `${kind} ${text}`, this.#key.name(JSON.stringify(text), kind));
  }

  /** @throws RondoError `JOURNAL_DAMAGED` */
  open(kind: Kind, box: string): string {
    if (box === '') return '';
    const known = this.#opened.get(`${kind} ${box}`);
    if (known !== undefined) return known;
    const text = this.#key.openName(box, kind);
    if (text === undefined) throw damagedName(kind);
    return keep(this.#opened, `${kind} ${box}`, JSON.parse(text) as string);
  }

  mac(text: string, about: string): string {
    return this.#key.mac(text, about);
  }

  text(text: string, about: string): string {
    return this.#key.seal(JSON.stringify(text), about);
  }

  /** @throws RondoError `JOURNAL_DAMAGED` */
  openText(box: string, about: string): string {
    const text = this.#key.open(box, about);
    if (text === undefined) throw damagedName(about);
    return JSON.parse(text) as string;
  }

  head<H extends Pick<RunHead, 'session' | 'by'>>(head: H): H {
    const { session, by } = head;
    if (session === undefined && by === undefined) return head;
    return {
      ...head,
      ...(session !== undefined && { session: this.seal('session', session) }),
      ...(by !== undefined && { by: this.seal('by', by) }),
    };
  }

  /** A head of a damaged name is doubtful: what the entries say counts. */
  openHead(head: RunHead): RunHead {
    const { session, by } = head;
    try {
      return {
        ...head,
        ...(session !== undefined && { session: this.open('session', session) }),
        ...(by !== undefined && { by: this.open('by', by) }),
      };
    } catch {
      return { ...head, doubtful: true };
    }
  }

  filter({ after, ...filter }: HeadFilter): HeadFilter {
    return { ...this.head(filter), ...(after && { after }) };
  }

  claimKey({ tenant, intent, key }: ClaimKey): ClaimKey {
    return { tenant, intent: '', key: this.mac(JSON.stringify([tenant ?? null, intent, key]), 'claim') };
  }

  claimChange(change: ClaimChange): ClaimChange {
    return {
      ...change,
      ...this.claimKey(change),
      ...('digest' in change && { digest: this.seal('digest', change.digest) }),
    } as ClaimChange;
  }

  openClaim(claim: Claim): Claim {
    return { ...claim, ...(claim.digest !== undefined && { digest: this.open('digest', claim.digest) }) };
  }

  /** An error of the store as if it had seen what is sealed. */
  error(error: unknown, head: RunHead): unknown {
    const open = detailOf(error, 'SESSION_BUSY', 'runId');
    if (open !== undefined && head.session !== undefined) return sessionBusy(head.session, open);
    const details = RondoError.is(error, 'INTENT_CLAIMED') ? error.details : null;
    if (!RondoError.is(error) || !isObject(details) || !isObject(details.claim)) return error;
    const claim = plainJson(this.openClaim(details.claim as unknown as Claim)) ?? null;
    return new RondoError(error.code, error.message, { details: { ...details, claim }, cause: error.cause });
  }
}

/** Loads the names' key once. */
export class Store {
  /** Set once the key is there. */
  names: Names | undefined;
  readonly #ring: Ring;
  readonly #inner: Journal;

  constructor(ring: Ring, inner: Journal) {
    this.#ring = ring;
    this.#inner = inner;
  }

  /** @throws RondoError `JOURNAL_KEY_UNAVAILABLE` for a journal that has runs, and whose keys are not there. */
  readonly load = lazy(() => this.#load());

  async #load(): Promise<Names> {
    const name = nameOf({ store: true });
    let key = await this.#ring.find(name);
    if (!key) {
      for await (const _ of this.#inner.heads({ limit: 1 })) {
        // another process may have made both meanwhile
        key = await this.#ring.find(name);
        if (!key)
          throw keyUnavailable(
            'This journal holds runs, and none of its keys are there. Give the store of its keys; a journal that was not encrypted from its first run on cannot be.',
          );
      }
      key ??= await this.#ring.make({ store: true }, 'power');
    }
    await mark(this.#inner.records);
    this.names = new Names(key);
    return this.names;
  }
}

function keep(map: Map<string, string>, key: string, value: string): string {
  if (map.size >= MOST) map.delete(map.keys().next().value as string);
  map.set(key, value);
  return value;
}

const damagedName = (what: string) =>
  new RondoError('JOURNAL_DAMAGED', `A sealed ${what} of the journal is not what was written. Restore the store from a copy.`);
