/** Leases in the vault's file: what one process does alone, of all that have the file. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RondoError } from '../../errors.ts';
import { inTurn } from '../../flight.ts';
import type { Database } from '../sqlite/database.ts';

/** Milliseconds that a lease lasts after its holder last renewed it, and between renewals. A holder that died is waited for as long. */
const LEASE = 15_000;
const RENEW = 3_000;
/** Milliseconds between two looks at a lease of another process. */
const FIRST_LOOK = 25;
const LAST_LOOK = 250;

export interface Held {
  /** Call it in the same tick as what must happen once. @throws RondoError `VAULT_UNAVAILABLE` if another process may hold the lease now. */
  assert(): void;
}

export type Alone = <T>(name: string, work: (held: Held) => Promise<T>) => Promise<T>;

/** Runs one function at a time under a name, over all processes that have the file open. The others wait. */
export function leases(db: Database): Alone {
  // in this process a queue, so that one at most looks at the file
  const turn = inTurn<string>();
  return (name, work) => turn(name, () => held(db, name, work));
}

async function held<T>(db: Database, name: string, work: (held: Held) => Promise<T>): Promise<T> {
  const holder = randomUUID();
  await taken(db, name, holder);
  let until = performance.now() + LEASE;
  const renewing = setInterval(() => {
    const from = performance.now();
    renew(db, name, holder).then(
      (is) => {
        until = is ? from + LEASE : 0;
      },
      // a file that is locked for a moment: the lease lasts until its end
      () => undefined,
    );
  }, RENEW);
  try {
    return await work({
      assert() {
        if (performance.now() > until)
          throw new RondoError('VAULT_UNAVAILABLE', 'This process stood still for so long that another one may do the same. Try again.');
      },
    });
  } finally {
    clearInterval(renewing);
    // one that cannot be given back ends by itself
    await db.write(() => void db.prepare('DELETE FROM lease WHERE name = ? AND holder = ?').run(name, holder)).catch(() => undefined);
  }
}

async function taken(db: Database, name: string, holder: string): Promise<void> {
  for (let look = FIRST_LOOK; ; look = Math.min(look * 2, LAST_LOOK)) {
    const is = await db.write(() => {
      const now = Date.now();
      // a lease that ends later than any could was taken under a clock that was wrong
      const { changes } = db
        .prepare(
          `INSERT INTO lease (name, holder, until) VALUES (?, ?, ?)
           ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
           WHERE lease.until < ? OR lease.until > excluded.until + ?`,
        )
        .run(name, holder, now + LEASE, now, LEASE);
      return Number(changes) === 1;
    });
    if (is) return;
    while (await db.read(() => isHeld(db, name))) {
      await sleep(look);
      look = Math.min(look * 2, LAST_LOOK);
    }
  }
}

function isHeld(db: Database, name: string): boolean {
  const found = db.prepare('SELECT until FROM lease WHERE name = ?').get(name) as { until: number } | undefined;
  const now = Date.now();
  return found !== undefined && found.until >= now && found.until <= now + 2 * LEASE;
}

const renew = (db: Database, name: string, holder: string): Promise<boolean> =>
  db.write(() => {
    const { changes } = db.prepare('UPDATE lease SET until = ? WHERE name = ? AND holder = ?').run(Date.now() + LEASE, name, holder);
    return Number(changes) === 1;
  });
