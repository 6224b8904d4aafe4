import { writeSync } from 'node:fs';
import type { Journal } from '../../src/index.ts';

/** Something happens here: a process may be killed or stopped at it. */
export type Point = (label: string) => void;

/** The number of a point, from 1, or how the label of the first one begins. 0: none. */
export type Where = number | string;

/**
 * Counts the points that a process passes. At one of them it says so, and sends itself the signal: a SIGKILL leaves it no time for
 * anything more, a SIGSTOP holds it until somebody sends a SIGCONT.
 */
export class Points {
  count = 0;
  #at: Where;
  readonly #signal: NodeJS.Signals;

  constructor(at: Where, signal: NodeJS.Signals = 'SIGKILL') {
    this.#at = at;
    this.#signal = signal;
  }

  readonly pass: Point = (label) => {
    this.count++;
    if (typeof this.#at === 'string' ? !label.startsWith(this.#at) : this.count !== this.#at) return;
    this.#at = 0;
    writeSync(1, `${JSON.stringify({ at: label })}\n`);
    process.kill(process.pid, this.#signal);
  };
}

/** Told what a journal did: synced an append that must survive power loss, failed to take the result of a call. */
export interface Noted {
  synced?: () => void;
  refused?: () => void;
  /** The clock of the store. */
  now?: () => number;
}

/** A journal with a point before and after each write: committed, and no one knows it yet. */
export function pointed(journal: Journal, point: Point, { synced, refused, now }: Noted = {}): Journal {
  const around = <T>(label: string, write: () => T | Promise<T>, power = false): T | Promise<T> => {
    point(`before ${label}`);
    const done = (result: T) => {
      if (power) synced?.();
      point(`after ${label}`);
      return result;
    };
    const failed = (error: unknown): never => {
      if (label.includes('call.finished')) refused?.();
      throw error;
    };
    try {
      const result = write();
      return result instanceof Promise ? result.then(done, failed) : done(result);
    } catch (error) {
      return failed(error);
    }
  };
  const { records, inbox } = journal;
  return {
    durable: journal.durable,
    append: (runId, seq, entries, head, o) =>
      around(
        `append of ${entries.map(({ type }) => type).join(', ')}`,
        () => journal.append(runId, seq, entries, head, o),
        o?.sync === 'power',
      ),
    renew: (runId, owner, until) =>
      around(until === 0 ? 'giving the lease back' : 'taking the lease', () => journal.renew(runId, owner, until)),
    read: (runId, after) => journal.read(runId, after),
    heads: (filter) => journal.heads(filter),
    remove: (runId) => around('removal of a run', () => journal.remove(runId)),
    ...(journal.due && { due: (filter) => journal.due?.(filter) ?? [] }),
    ...(journal.claim && { claim: (key) => journal.claim?.(key) }),
    ...(journal.effects && { effects: (filter) => journal.effects?.(filter) ?? [] }),
    ...(inbox && {
      inbox: {
        signal: (event) => around('signal', () => inbox.signal(event)),
        assigned: (runId) => inbox.assigned(runId),
        waits: (topic) => inbox.waits(topic),
        list: (...o) => inbox.list(...o),
        dead: (filter) => inbox.dead(filter),
        bury: (tenant, nr, change) => around(`${change.to} of an event`, () => inbox.bury(tenant, nr, change)),
        forget: (sender) => around('forgetting events', () => inbox.forget(sender)),
      },
    }),
    ...(records && {
      records: {
        append: (namespace, key, values, o) => around(`append to ${namespace}`, () => records.append(namespace, key, values, o)),
        read: (namespace, key, from) => records.read(namespace, key, from),
        list: (namespace, o) => records.list(namespace, o),
        delete: (namespace, key) => around(`deletion from ${namespace}`, () => records.delete(namespace, key)),
      },
    }),
    ...(now && { now }),
    close: () => journal.close?.(),
  };
}
