/** A store as a user might write it: a file of lines, all methods at once. With a lock it is right; without, two processes write one entry. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import type { Entry } from '../../src/journal/entries/entries.ts';
import { conflict, recordConflict, sessionBusy } from '../../src/journal/errors.ts';
import type { HeadFilter, Journal, RunHead } from '../../src/journal/port.ts';
import type { Json } from '../../src/json.ts';

type Line = { run: string; entries?: readonly Entry[]; head?: RunHead } | { record: readonly [string, string]; values?: readonly Json[] };

export function lineJournal(path: string, o: { lock: boolean; torn?: boolean }): Journal & { path: string } {
  const lines = (): Line[] =>
    existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .flatMap((line): Line[] => {
            try {
              return line ? [JSON.parse(line)] : [];
            } catch (error) {
              if (o.torn) return [];
              throw error;
            }
          })
      : [];
  const pause = new Int32Array(new SharedArrayBuffer(4));
  function locked<T>(work: (write: (line: Line) => void) => T): T {
    for (;;) {
      try {
        if (o.lock) mkdirSync(`${path}.lock`);
        break;
      } catch {
        Atomics.wait(pause, 0, 0, 1);
      }
    }
    try {
      // a line of its own also behind one that is torn
      return work((line) => appendFileSync(path, `${o.torn ? '\n' : ''}${JSON.stringify(line)}\n`));
    } finally {
      if (o.lock) rmdirSync(`${path}.lock`);
    }
  }
  function load(): Map<string, { log: Entry[]; head: RunHead }> {
    const runs = new Map<string, { log: Entry[]; head: RunHead }>();
    for (const line of lines()) {
      if ('record' in line) continue;
      const { run, entries, head } = line;
      if (!head) runs.delete(run);
      else runs.set(run, { log: [...(runs.get(run)?.log ?? []), ...(entries ?? [])], head });
    }
    return runs;
  }
  /** The values of each key of a namespace. */
  function recordsIn(namespace: string): Map<string, Json[]> {
    const found = new Map<string, Json[]>();
    for (const line of lines()) {
      if (!('record' in line) || line.record[0] !== namespace) continue;
      const [, key] = line.record;
      if (line.values) found.set(key, [...(found.get(key) ?? []), ...line.values]);
      else found.delete(key);
    }
    return found;
  }
  const isOpen = ({ status, aside }: RunHead) => !aside && (status === 'running' || status === 'paused');
  return {
    path,
    durable: true,
    ...(o.torn && { tornTail: 'last-append' as const }),
    append: (runId, expected, entries, head) =>
      locked((write) => {
        const runs = load();
        const run = runs.get(runId);
        const held = run?.log.length ?? 0;
        if (held !== expected) throw conflict(runId, expected, held);
        const rival = [...runs.values()].find(
          (r) => r !== run && isOpen(r.head) && r.head.session === head.session && r.head.tenant === head.tenant,
        );
        if (head.session !== undefined && isOpen(head) && rival) throw sessionBusy(head.session, rival.head.runId);
        const kept = head.status === 'running' && head.owner === undefined ? run?.head : undefined;
        write({ run: runId, entries, head: kept ? { ...head, owner: kept.owner, leaseUntil: kept.leaseUntil } : head });
      }),
    read: (runId, after = -1) => (load().get(runId)?.log ?? []).slice(after + 1),
    heads({ limit = Number.POSITIVE_INFINITY, after, ownerPrefix = '', ...fields }: HeadFilter) {
      const wanted = Object.entries(fields).filter(([, value]) => value !== undefined);
      const newest = [...load().values()].map(({ head }) => head).sort((a, b) => b.startedAt - a.startedAt);
      const last = newest.findIndex(({ runId }) => runId === after?.runId);
      return newest
        .slice(last + 1)
        .filter((head) => last >= 0 || !after || head.startedAt <= after.startedAt)
        .filter(({ owner = '' }) => owner.startsWith(ownerPrefix))
        .filter((head) => wanted.every(([field, value]) => head[field as keyof RunHead] === value))
        .slice(0, limit);
    },
    renew: (runId, owner, until) =>
      locked((write) => {
        const head = load().get(runId)?.head;
        if (!head || (head.owner !== undefined && head.owner !== owner && (head.leaseUntil ?? 0) > Date.now())) return false;
        write({ run: runId, head: { ...head, owner, leaseUntil: until } });
        return true;
      }),
    records: {
      append: (namespace, key, values, { expected } = {}) =>
        locked((write) => {
          const held = recordsIn(namespace).get(key)?.length ?? 0;
          if (expected !== undefined && held !== expected) throw recordConflict(namespace, key, expected, held);
          if (values.length > 0) write({ record: [namespace, key], values });
          return held + values.length;
        }),
      read: (namespace, key, from = 0) => (recordsIn(namespace).get(key) ?? []).slice(from),
      list: (namespace, { after = '', limit } = {}) =>
        [...recordsIn(namespace).keys()]
          .sort()
          .filter((key) => key > after)
          .slice(0, limit),
      delete: (namespace, key) => locked((write) => write({ record: [namespace, key] })),
    },
    remove: (runId, expected) =>
      locked((write) => {
        const held = load().get(runId)?.log.length;
        if (held === undefined) return;
        if (expected !== undefined && held !== expected) throw conflict(runId, expected, held);
        write({ run: runId });
      }),
  };
}
