import { dueOrder } from '../due.ts';
import type { DueFilter, RunHead } from '../port.ts';

interface Queued {
  readonly head: RunHead;
}

/** The queued runs of a memory store: for each tenant a list in the order in which they are due. */
export function memoryQueue() {
  const queues = new Map<string, Queued[]>();
  /** The tenants with queued runs, sorted; undefined after a tenant came or went. */
  let tenants: string[] | undefined;

  /** The index of the first head of a list that comes after this one, or is it. */
  function placeOf(list: readonly Queued[], head: RunHead): number {
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (dueOrder((list[middle] as Queued).head, head) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    add(run: Queued): void {
      const { tenant = '' } = run.head;
      const list = queues.get(tenant);
      if (list) return void list.splice(placeOf(list, run.head), 0, run);
      queues.set(tenant, [run]);
      tenants = undefined;
    },

    delete({ head }: Queued): void {
      const { tenant = '' } = head;
      const list = queues.get(tenant) ?? [];
      const at = placeOf(list, head);
      if (list[at]?.head.runId === head.runId) list.splice(at, 1);
      if (list.length > 0) return;
      queues.delete(tenant);
      tenants = undefined;
    },

    /** @see Journal.due */
    list({ limit, after, tenant, firsts }: Omit<DueFilter, 'status' | 'now'>): RunHead[] {
      tenants ??= [...queues.keys()].sort();
      const found: RunHead[] = [];
      const last = after && (after.tenant ?? '');
      for (const one of tenant === undefined ? tenants : [tenant ?? '']) {
        if (last !== undefined && (one < last || (firsts && one === last))) continue;
        const list = queues.get(one) ?? [];
        let at = after && one === last ? placeOf(list, after) : 0;
        if (after && list[at]?.head.runId === after.runId) at++;
        for (; at < list.length && found.length < limit; at++) {
          found.push({ ...(list[at] as Queued).head });
          if (firsts) break;
        }
        if (found.length >= limit) break;
      }
      return found;
    },
  };
}
