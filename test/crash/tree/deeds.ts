import { join } from 'node:path';
import type { Effect, Journal } from '../../../src/index.ts';
import { lines } from '../ledger.ts';
import type { Point } from '../points.ts';

/**
 * What happened outside the journal: something was begun (a tool, a node's function, a turn, a model's answer), or an effect was had.
 * `what` names it by the agent and what it does there, the same in every process.
 */
export interface Deed {
  kind: 'began' | 'effect';
  run: string;
  what: string;
  effect: Effect;
  /** The idempotency key; of a durable step, its name. */
  key?: string;
  /** How many entries of the run the process knew. */
  seq: number;
  /** How many of them survive a power cut for certain. */
  safe: number;
  pid: number;
}

/** What a process saw or was told of approvals, in the order in which it happened. */
export type Seen = { run: string } & ({ open: readonly string[] } | { acknowledged: string });

export const deeds = (dir: string) => lines<Deed>(join(dir, 'deeds'));
export const seen = (dir: string) => lines<Seen>(join(dir, 'seen'));

/** The world outside, as the tools and functions of one process see it. */
export interface Outside {
  point: Point;
  began(what: string, effect?: Effect): void;
  acts(what: string, effect: Effect, key: string): void;
}

/** @param known how far this process knows the run. */
export function outside(dir: string, run: string, point: Point, known: () => Known): Outside {
  const ledger = deeds(dir);
  const note = (deed: Pick<Deed, 'kind' | 'what' | 'effect' | 'key'>) => ledger.add({ ...deed, run, ...known(), pid: process.pid });
  return {
    point,
    began: (what, effect = 'read') => note({ kind: 'began', what, effect }),
    acts: (what, effect, key) => note({ kind: 'effect', what, effect, key }),
  };
}

type Known = Pick<Deed, 'seq' | 'safe'>;

/** A journal that remembers how far each run had come when it answered. */
export function counted(journal: Journal): { journal: Journal; known(run: string): Known } {
  const runs = new Map<string, Known>();
  const known = (run: string) => runs.get(run) ?? { seq: 0, safe: 0 };
  const append: Journal['append'] = (run, seq, entries, head, o) => {
    const next = seq + entries.length;
    const took = () => void runs.set(run, { seq: next, safe: o?.sync === 'power' ? next : known(run).safe });
    const done = journal.append(run, seq, entries, head, o);
    return done instanceof Promise ? done.then(took) : took();
  };
  return {
    journal: {
      durable: journal.durable,
      append,
      renew: (...a) => journal.renew(...a),
      read: (...a) => journal.read(...a),
      heads: (filter) => journal.heads(filter),
      remove: (...a) => journal.remove(...a),
      close: () => journal.close?.(),
    },
    known,
  };
}
