/** Heads: one by its key, lists by the indexes, leases. An index only says where to look, because it may lag behind the table. */
import { dueAt } from '../../../journal/due.ts';
import { RUN_STATUSES } from '../../../journal/entries/status.ts';
import type { DueFilter, HeadFilter, RunHead } from '../../../journal/port.ts';
import { nonceOf } from '../rows/nonce.ts';
import type { Access } from './access.ts';
import type { Key } from './client.ts';
import { Refused } from './errors.ts';
import { dueKey, headItem, listOf, mayAsk, POINTED, placeOf, pointersKey, queueOf, type StoredHead, storedHead } from './head-item.ts';
import { headKey, LAST, ordered } from './keys.ts';
import { newest, type Partition } from './newest.ts';

/** Heads that are remembered. The oldest is dropped, which costs its next append a look-up. */
const MOST = 1_000;
/** Heads read at a time. */
const CHUNK = 100;
const FIELDS = ['agent', 'status', 'session', 'tenant', 'by', 'fork'] as const;

export type Heads = ReturnType<typeof headsOf>;

export function headsOf(access: Access, now: () => number, lengthened: (until: number) => number) {
  const seen = new Map<string, StoredHead>();

  function saw(stored: StoredHead): void {
    seen.delete(stored.head.runId);
    if (seen.size >= MOST) seen.delete(seen.keys().next().value as string);
    seen.set(stored.head.runId, stored);
  }

  async function look(runId: string): Promise<StoredHead | undefined> {
    const item = await access.get(headKey(runId));
    return item && storedHead(item);
  }

  /** The heads of keys that an index told, by their partition. */
  async function told(keys: readonly Key[]): Promise<Map<string, StoredHead>> {
    return new Map((await access.getAll(keys)).map((item) => [item.pk, storedHead(item)]));
  }

  function fits(head: RunHead, filter: HeadFilter): boolean {
    if (FIELDS.some((field) => filter[field] !== undefined && filter[field] !== head[field])) return false;
    if (filter.asks && !head.asks) return false;
    return filter.ownerPrefix === undefined || head.owner?.startsWith(filter.ownerPrefix) === true;
  }

  /** The partitions that have the heads of a filter. */
  function partitions({ asks, status, ...equal }: HeadFilter): Partition[] {
    for (const field of POINTED) if (equal[field] !== undefined) return [{ pk: pointersKey(field, equal[field]) }];
    const statuses = status === undefined ? RUN_STATUSES : [status];
    const asking = statuses.some(mayAsk) ? [listOf('paused', true)] : [];
    const of = asks ? asking : [...statuses.map((s) => listOf(s)), ...asking];
    return of.map((pk) => ({ pk, index: 'list' }));
  }

  async function* list(filter: HeadFilter): AsyncGenerator<RunHead, void, undefined> {
    const { runId, after, limit = Number.MAX_SAFE_INTEGER } = filter;
    if (limit <= 0) return;
    if (runId !== undefined) {
      const one = await look(runId);
      if (one && fits(one.head, filter)) yield one.head;
      return;
    }
    const below = after && placeOf(after);
    const found = newest(access, partitions(filter), below, Math.min(CHUNK, limit));
    let given = 0;
    for await (const keys of found) {
      const heads = await told(keys);
      for (const { pk } of keys) {
        const head = heads.get(pk)?.head;
        if (!head || !fits(head, filter)) continue;
        yield head;
        if (++given === limit) return;
      }
    }
  }

  /** Due heads of a range of the index, which are still due there. */
  async function* dueIn(status: DueFilter['status'], from: string, to: string, page: number): AsyncGenerator<RunHead, void, undefined> {
    let places: (Key & { due: string })[] = [];
    const checked = async function* () {
      const heads = await told(places);
      for (const { pk, due } of places) {
        const stored = heads.get(pk);
        if (stored && !stored.gone && stored.head.status === status && dueKey(stored.head) === due) yield stored.head;
      }
      places = [];
    };
    for await (const { pk, sk, d_sk } of access.query({ pk: `due#${status}`, from, to, index: 'due', page: Math.min(CHUNK, page + 1) })) {
      const due = String(d_sk);
      if (due === from) continue;
      places.push({ pk, sk, due });
      if (places.length >= Math.min(CHUNK, page)) yield* checked();
    }
    yield* checked();
  }

  async function* due(filter: DueFilter): AsyncGenerator<RunHead, void, undefined> {
    const { status, now, limit, after } = filter;
    if (limit <= 0) return;
    let given = 0;
    const found =
      status === 'queued'
        ? queued(filter)
        : dueIn(status, after ? (dueKey(after) ?? `${ordered(dueAt(after) ?? 0)}#${after.runId}`) : '0', `${ordered(now)}#${LAST}`, limit);
    for await (const head of found) {
      yield head;
      if (++given === limit) return;
    }
  }

  async function* queued({ limit, after, tenant, firsts }: DueFilter): AsyncGenerator<RunHead, void, undefined> {
    const begin = (of: string, over: boolean) => (over ? `${queueOf(of)}${LAST}` : queueOf(of));
    if (!firsts) {
      const from = after ? `${queueOf(after.tenant ?? '')}${ordered(after.startedAt)}#${after.runId}` : begin(tenant ?? '', false);
      const to = tenant === undefined ? LAST : begin(tenant ?? '', true);
      for await (const head of dueIn('queued', from, to, limit))
        if (tenant === undefined || (head.tenant ?? '') === (tenant ?? '')) yield head;
      return;
    }
    let from = after ? begin(after.tenant ?? '', true) : '\0';
    if (tenant !== undefined) from = begin(tenant ?? '', after !== undefined);
    for (;;) {
      let first: RunHead | undefined;
      for await (const head of dueIn('queued', from, tenant === undefined ? LAST : begin(tenant ?? '', true), 1)) {
        first = head;
        break;
      }
      if (!first) return;
      yield first;
      // the tenant behind, so that the runs between are not read
      from = begin(first.tenant ?? '', true);
    }
  }

  async function renew(runId: string, owner: string, until: number): Promise<boolean> {
    const leaseUntil = lengthened(until);
    let mine: number | undefined;
    let stored = seen.get(runId) ?? (await look(runId));
    for (;;) {
      if (!stored || stored.gone) return false;
      if (stored.rev === mine) return true;
      const { head } = stored;
      if (head.owner !== undefined && head.owner !== owner && (head.leaseUntil ?? 0) > now()) {
        // what was seen may be old
        const known = seen.get(runId);
        seen.delete(runId);
        if (known !== stored) return false;
        stored = await look(runId);
        continue;
      }
      mine = nonceOf();
      const after: StoredHead = { ...stored, head: { ...head, owner, leaseUntil }, rev: mine };
      try {
        await access.write([{ put: headItem(after), if: { equal: { rev: stored.rev } } }]);
        saw(after);
        return true;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        seen.delete(runId);
        stored = await look(runId);
      }
    }
  }

  return { list, due, renew, look, saw, seen: (runId: string) => seen.get(runId), forget: (runId: string) => void seen.delete(runId) };
}
