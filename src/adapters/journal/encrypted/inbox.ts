/** The inbox of an encrypted journal: an event's data is sealed under a key of its own, its id, key and sender under the store's. */
import { RondoError } from '../../../errors.ts';
import { canonical } from '../../../journal/canonical.ts';
import { eventDamaged } from '../../../journal/errors.ts';
import type { DeadChange, Inbox, Signal, StoredEvent, Topic, WaitChange } from '../../../journal/inbox.ts';
import { eventConflict, KEPT } from '../../../journal/inbox.ts';
import type { Json } from '../../../json.ts';
import { type DataKey, keyIdOf } from '../../keys/data-key.ts';
import type { Names, Store } from './names.ts';
import { type ForEvent, nameOf, type Ring } from './ring.ts';

const MANY = 1_000_000;
/** Milliseconds after which an id may be that of another event too: those for which it is remembered, less what two clocks may differ. */
const REUSED = KEPT - 3_600_000;

/** The name of an event does not say its id. */
const eventOf = (names: Names, tenant: string | undefined, id: string): ForEvent => ({
  event: names.mac(JSON.stringify([tenant ?? null, id]), 'event'),
  tenant: tenant ?? null,
});

type Taken = readonly { readonly of: ForEvent; readonly nr: number; readonly tenant: string | undefined; readonly id: string }[];

export class SealedInbox implements Inbox {
  readonly #ring: Ring;
  readonly #store: Store;
  readonly #inner: Inbox;

  constructor(ring: Ring, store: Store, inner: Inbox) {
    this.#ring = ring;
    this.#store = store;
    this.#inner = inner;
  }

  async signal(event: Signal): Promise<StoredEvent> {
    const names = await this.#store.load();
    const { tenant, event: name, key, id, data, by, problem } = event;
    const of = eventOf(names, tenant, id);
    const own = await this.#ring.make(of, 'power');
    const stored = await this.#said(event, () =>
      this.#inner.signal({
        ...event,
        key: names.seal('event key', key),
        id: names.seal('event id', id),
        by: names.seal('by', by),
        data: own.seal(JSON.stringify(data), 'data'),
        // not of the sealed data, which is another box each time
        digest: names.mac(canonical([tenant ?? null, name, key, data]), 'event digest'),
        problem: problem === undefined ? undefined : own.seal(JSON.stringify(problem), 'problem'),
      }),
    );
    if (stored.state === 'taken') await this.#destroy(of, stored.id);
    return this.#opened(names, stored);
  }

  async #said(signal: Signal, send: () => StoredEvent | Promise<StoredEvent>): Promise<StoredEvent> {
    try {
      return await send();
    } catch (error) {
      throw RondoError.is(error, 'EVENT_CONFLICT') ? eventConflict(signal) : error;
    }
  }

  async assigned(runId: string) {
    const names = await this.#store.load();
    const found = [];
    for (const { call, event } of await this.#inner.assigned(runId)) found.push({ call, event: await this.#opened(names, event) });
    return found;
  }

  async waits(topic: Topic) {
    const names = await this.#store.load();
    return this.#inner.waits(sealedTopic(names, topic));
  }

  async list(...o: Parameters<Inbox['list']>) {
    return this.#listed(await this.#inner.list(...o));
  }

  async dead(filter: Parameters<Inbox['dead']>[0]) {
    return this.#listed(await this.#inner.dead(filter));
  }

  async bury(tenant: string | undefined, nr: number, change: DeadChange): Promise<StoredEvent | undefined> {
    const names = await this.#store.load();
    let sealed = change;
    if (change.to === 'dismissed')
      sealed = { ...change, by: names.seal('by', change.by), reason: names.text(change.reason, `dismissed ${nr}`) };
    else if (change.data !== undefined || change.problem !== undefined) {
      const [event] = await this.#inner.dead({ tenant, nr, now: change.now, limit: 1 });
      if (!event) return undefined;
      if (event.doubtful) throw eventDamaged(nr);
      const own = await this.#ring.make(eventOf(names, tenant, names.open('event id', event.id)), 'power');
      const { data, problem } = change;
      sealed = {
        ...change,
        ...(data !== undefined && { data: own.seal(JSON.stringify(data), 'data') }),
        ...(problem !== undefined && { problem: own.seal(JSON.stringify(problem), 'problem') }),
      };
    }
    const stored = await this.#inner.bury(tenant, nr, sealed);
    return stored && this.#opened(names, stored);
  }

  async forget(sender: { tenant: string | undefined; by: string; now: number }) {
    const names = await this.#store.load();
    const by = names.seal('by', sender.by);
    const gone = (await this.#inner.list(sender.tenant, MANY)).filter((event) => event.by === by && !event.doubtful);
    const erased = await this.#inner.forget({ ...sender, by });
    for (const { tenant, id } of gone) await this.#destroy(eventOf(names, tenant, names.open('event id', id)), id);
    return erased;
  }

  /** The changes of an append with what is sealed, and the events that it takes. */
  async changes(runId: string, waits: readonly WaitChange[]): Promise<{ waits: readonly WaitChange[]; taken: Taken }> {
    const names = await this.#store.load();
    const held = waits.some(({ to }) => to === 'taken' || to === 'rejected') ? await this.#inner.assigned(runId) : [];
    const taken: Taken[number][] = [];
    const sealed: WaitChange[] = [];
    for (const change of waits) {
      if (change.to === 'open') sealed.push({ ...change, ...sealedTopic(names, change) });
      else if (change.to === 'closed') sealed.push(change);
      else {
        const id = names.seal('event id', change.id);
        const event = held.find(({ call, event }) => call === change.call && event.id === id)?.event;
        const of = event && eventOf(names, event.tenant, change.id);
        if (change.to === 'taken') {
          if (event && of) taken.push({ of, nr: event.nr, tenant: event.tenant, id });
          sealed.push({ ...change, id });
        } else {
          const problem = of ? (await this.#ring.make(of, 'power')).seal(JSON.stringify(change.problem), 'problem') : '';
          sealed.push({ ...change, id, problem });
        }
      }
    }
    return { waits: sealed, taken };
  }

  /** After the append: the keys of events that no other call waits for are destroyed. */
  async took(taken: Taken): Promise<void> {
    for (const { of, nr, tenant, id } of taken) {
      const left = await this.#inner.list(tenant, MANY, nr);
      if (left.every((event) => event.nr !== nr)) await this.#destroy(of, id);
    }
  }

  /** Destroys the key of an event that is gone, unless an older one of the same id, which no run took, is still listed. @param id as it is stored. */
  async #destroy(of: ForEvent, id: string): Promise<void> {
    const name = nameOf(of);
    const madeAt = (await this.#ring.madeAt(name)) ?? Number.POSITIVE_INFINITY;
    if (madeAt < Date.now() - REUSED && (await this.#inner.list(of.tenant ?? undefined, MANY)).some((event) => event.id === id)) return;
    await this.#ring.destroy(name);
  }

  /** Tells for many keys whether their event is gone, apart from its id. Each tenant's events are listed once. */
  gone(): (of: ForEvent) => Promise<boolean> {
    const left = new Map<string | null, Promise<ReadonlySet<string>>>();
    return async (of) => {
      const names = left.get(of.tenant) ?? this.#namesOf(of.tenant);
      left.set(of.tenant, names);
      return !(await names).has(nameOf(of));
    };
  }

  /** The names of the keys of a tenant's events. @throws RondoError `JOURNAL_DAMAGED` for one that cannot be named. */
  async #namesOf(tenant: string | null): Promise<ReadonlySet<string>> {
    const names = await this.#store.load();
    const events = await this.#inner.list(tenant ?? undefined, MANY);
    return new Set(
      events.map(({ nr, id, doubtful }) => {
        if (doubtful) throw eventDamaged(nr);
        return nameOf(eventOf(names, tenant ?? undefined, names.open('event id', id)));
      }),
    );
  }

  async #listed(events: readonly StoredEvent[]): Promise<StoredEvent[]> {
    const names = await this.#store.load();
    const found: StoredEvent[] = [];
    for (const event of events) {
      try {
        found.push(await this.#opened(names, event));
      } catch (error) {
        if (!RondoError.is(error, 'JOURNAL_DAMAGED')) throw error;
        const { nr, tenant, at, state } = event;
        found.push({ nr, tenant, at, state, id: '', event: '', key: '', by: '', digest: '', until: 0, doubtful: true });
      }
    }
    return found;
  }

  /** @throws RondoError `JOURNAL_DAMAGED` */
  async #opened(names: Names, event: StoredEvent): Promise<StoredEvent> {
    if (event.doubtful) return event;
    const { nr, tenant, data, problem, dismissed } = event;
    const id = names.open('event id', event.id);
    const of = nameOf(eventOf(names, tenant, id));
    let own: DataKey | undefined;
    const open = async (box: unknown, about: string): Promise<Json> => {
      const keyId = keyIdOf(box);
      if (keyId !== undefined && own?.id !== keyId) own = await this.#ring.ofId(of, keyId);
      const text = own?.open(box, about);
      if (text === undefined) throw eventDamaged(nr);
      return JSON.parse(text) as Json;
    };
    return {
      ...event,
      id,
      key: names.open('event key', event.key),
      by: names.open('by', event.by),
      ...(data !== undefined && { data: await open(data, 'data') }),
      ...(problem !== undefined && { problem: (await open(problem, 'problem')) as string }),
      ...(dismissed && {
        dismissed: { ...dismissed, by: names.open('by', dismissed.by), reason: names.openText(dismissed.reason, `dismissed ${nr}`) },
      }),
    };
  }
}

const sealedTopic = <T extends Topic>(names: Names, topic: T): T => ({ ...topic, key: names.seal('event key', topic.key) });
