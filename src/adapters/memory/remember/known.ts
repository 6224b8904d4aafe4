/** What is known of one principal: for them to read, correct and delete. */
import { RondoError } from '../../../errors.ts';
import type { FoundRecord, MemoryPage, MemoryRecord, MemoryStore, PageQuery, Written } from '../../../ports/memory-store.ts';
import { unknownRecord } from '../errors.ts';
import { fill } from '../templates.ts';
import { sessionOf } from './names.ts';
import { isOwn, namespacesOf, type Templates, templatesOf, type Whose } from './places.ts';

/** Records of other principals do not exist here. */
export interface Known {
  /** Everything that is known, of each namespace the newest first. */
  list(o?: PageQuery): Promise<MemoryPage<MemoryRecord>>;
  /** The records that fit a text best, at most `top`, default 10. Shared namespaces are searched too. */
  search(text: string, o?: { top?: number; signal?: AbortSignal }): Promise<readonly FoundRecord[]>;
  /** @throws RondoError `MEMORY_RECORD_UNKNOWN` */
  record(id: string): Promise<MemoryRecord>;
  /** Changes the text; the one before is kept as history. @throws RondoError `MEMORY_RECORD_UNKNOWN`, `MEMORY_INPUT_INVALID` */
  correct(id: string, text: string): Promise<void>;
  /** @throws RondoError `MEMORY_RECORD_UNKNOWN` */
  remove(id: string): Promise<void>;
  /** Everything, or what one session said and what was derived from it. */
  forget(session?: string): Promise<void>;
}

/** Records that are removed at once. */
const BATCH = 100;

export function knownOf(store: MemoryStore, templates: Templates, whose: Whose): Known {
  const all = templatesOf(templates);
  const own = all.filter(isOwn);

  async function record(id: string): Promise<MemoryRecord> {
    const found = await store.record(id);
    if (!found || !namespacesOf(own, whose).some((place) => found.namespace.startsWith(place))) throw unknownRecord(id);
    return found;
  }

  /** Records of a namespace that the store does not know to be derived, such as those that an application added. */
  async function emptied(namespace: string): Promise<void> {
    for (;;) {
      const { items } = await store.list({ namespace, limit: BATCH });
      if (items.length === 0) return;
      const written = await store.remove(items.map(({ id }) => id));
      if (written.some(({ ok }) => ok)) continue;
      // a list may show for a moment what is gone
      const left = written.find((one) => !one.ok && one.code !== 'MEMORY_RECORD_UNKNOWN');
      if (left) throw refusal(left);
      return;
    }
  }

  return {
    record,
    async list({ limit = 20, after, signal } = {}) {
      const places = namespacesOf(own, whose);
      const items: MemoryRecord[] = [];
      let [place, token] = positionOf(after);
      while (place < places.length && items.length < limit) {
        const page = await store.list({
          namespace: places[place] as string,
          limit: limit - items.length,
          ...(token !== undefined && { after: token }),
          ...(signal && { signal }),
        });
        items.push(...page.items);
        token = page.next;
        if (token === undefined) place++;
      }
      return { items, ...(place < places.length && { next: `${place}:${token ?? ''}` }) };
    },
    async search(text, { top = 10, signal } = {}) {
      const found = await Promise.all(
        namespacesOf(all, whose).map((namespace) => store.search({ namespace, text, top, ...(signal && { signal }) })),
      );
      const records = new Map(found.flatMap(({ items }) => items).map((one) => [one.id, one]));
      return [...records.values()].sort((a, b) => b.score - a.score).slice(0, top);
    },
    async correct(id, text) {
      await record(id);
      const [written] = await store.correct([{ id, text }]);
      if (!written?.ok) throw refusal(written);
    },
    async remove(id) {
      await record(id);
      const [written] = await store.remove([id]);
      if (!written?.ok) throw refusal(written);
    },
    async forget(session) {
      const named = session === undefined ? undefined : sessionOf(session);
      await store.forget({ actor: whose.actor, ...(named !== undefined && { session: named }) });
      for (const namespace of named === undefined ? namespacesOf(own, whose) : ofSession(own, whose, named)) await emptied(namespace);
    },
  };
}

/** Namespaces of one session alone. */
const ofSession = (templates: readonly string[], { actor, values }: Whose, session: string): string[] =>
  templates.flatMap((template) => {
    if (!template.includes('{sessionId}')) return [];
    const filled = fill(template, { ...values, actorId: actor, sessionId: session });
    return 'namespace' in filled ? [filled.namespace] : [];
  });

function positionOf(after: string | undefined): [number, string | undefined] {
  if (after === undefined) return [0, undefined];
  const [, place, token] = /^(\d{1,4}):(.*)$/s.exec(after) ?? [];
  if (place === undefined)
    throw new RondoError('MEMORY_INPUT_INVALID', 'after: give the `next` of a page of this list.', { details: { field: 'after' } });
  return [Number(place), token || undefined];
}

const refusal = (written: Written | undefined): RondoError =>
  written && !written.ok && written.code === 'MEMORY_INPUT_INVALID'
    ? new RondoError('MEMORY_INPUT_INVALID', written.message)
    : new RondoError('MEMORY_UNAVAILABLE', `The memory did not change it: ${written && !written.ok ? written.message : 'no answer'}`);
