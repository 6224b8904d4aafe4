/** The time of the local server: the real one, or one that a test moves. */
import { invalid } from '../../../errors.ts';
import { checkOptions } from '../../../options.ts';
import { LONGEST_TIMER } from '../../../reliability/timer.ts';
import { report } from '../../../server/report.ts';

export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls `act` once, when the time has come. @returns a function that cancels it. */
  after(ms: number, act: () => void | Promise<void>): () => void;
}

export interface MovableClock extends Clock {
  /**
   * Moves the time forward by milliseconds, and calls what becomes due on the way, in order, each at its own time, one after the other.
   * @throws RondoError `CONFIG_INVALID` for a time that the clock cannot have. Then it stays.
   */
  advance(ms: number): Promise<void>;
  /** Cancels everything. */
  stop(): void;
}

/** The part of a clock that one server uses. */
export interface OwnTime extends Clock {
  /** Begins nothing more. Resolves when what it has begun is over. */
  end(): Promise<void>;
}

interface Due {
  at: number;
  act: () => void | Promise<void>;
}

/** No request can be signed after it: a signature says its year with four digits. */
const LAST = Date.UTC(9999, 11, 31);
const tell = report('movableClock()');

/**
 * @param o.frozen the time stands still between calls of `advance`. Default: it runs on, from now.
 * @param o.start epoch milliseconds; default now.
 * @throws RondoError `CONFIG_INVALID`
 */
export function movableClock(o: { frozen?: boolean; start?: number } = {}): MovableClock {
  checkOptions(o, { frozen: 'frozen: true', start: 'start: Date.now()' }, 'movableClock()', { frozen: 'flag' });
  const { frozen = false, start = Date.now() } = o;
  if (!(start >= 0 && start <= LAST))
    throw invalid('movableClock(): start is in epoch milliseconds, from 1970 to 9999: { start: Date.now() }.');
  let offset = frozen ? start : start - Date.now();
  // while it moves: the time of what is being called
  let moving: number | undefined;
  const waiting: Due[] = [];
  let timer: NodeJS.Timeout | undefined;

  const now = () => moving ?? (frozen ? offset : Date.now() + offset);

  function arm(): void {
    clearTimeout(timer);
    const [next] = waiting;
    if (frozen || !next) return;
    timer = setTimeout(due, Math.min(Math.max(next.at - now(), 0), LONGEST_TIMER));
    timer.unref();
  }

  function due(): void {
    try {
      for (let next = waiting[0]; next && next.at <= now(); next = waiting[0]) {
        waiting.shift();
        // by itself: there is no caller to tell of a failure
        const { act } = next;
        (async () => act())().catch(tell);
      }
    } finally {
      arm();
    }
  }

  let last: Promise<unknown> = Promise.resolve();

  async function move(ms: number): Promise<void> {
    const end = now() + ms;
    if (!(ms >= 0 && end <= LAST)) throw invalid('The clock moves forward, by milliseconds from 0 on, and to the year 9999 at most.');
    let reached = now();
    try {
      for (let next = waiting[0]; next && next.at <= end; next = waiting[0]) {
        waiting.shift();
        reached = Math.max(next.at, reached);
        moving = reached;
        await next.act();
      }
      reached = end;
    } finally {
      moving = undefined;
      offset = frozen ? reached : reached - Date.now();
      arm();
    }
  }

  return {
    now,
    after(ms, act) {
      const item: Due = { at: now() + Math.max(ms, 0), act };
      const later = waiting.findIndex(({ at }) => at > item.at);
      waiting.splice(later < 0 ? waiting.length : later, 0, item);
      arm();
      return () => {
        const place = waiting.indexOf(item);
        if (place >= 0) waiting.splice(place, 1);
      };
    },
    advance(ms) {
      // one after the other: two at once would move each other's time
      const moved = last.then(() => move(ms));
      last = moved.catch(() => undefined);
      return moved;
    },
    stop() {
      clearTimeout(timer);
      waiting.length = 0;
    },
  };
}

/** The time of a server, which ends with it: a clock may be a test's own, and go on. */
export function ownTime(clock: Clock): OwnTime {
  const running = new Set<Promise<void>>();
  let ended = false;
  return {
    now: clock.now,
    after: (ms, act) =>
      clock.after(ms, async () => {
        if (ended) return;
        const run = (async () => act())();
        running.add(run);
        try {
          await run;
        } finally {
          running.delete(run);
        }
      }),
    async end() {
      ended = true;
      await Promise.allSettled(running);
    },
  };
}
