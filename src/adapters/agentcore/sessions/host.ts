/** The sessions of a server: one process for each, found by its id. */
import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ToolError } from '../../../errors.ts';
import { removeOrTell } from '../removal.ts';
import type { Clock } from '../wire/clock.ts';
import { type Guard, startGuard } from './guard.ts';
import type { Untimed } from './ping.ts';
import { freePort } from './process.ts';
import { type Ended, type Reason, type Session, startSession, type Wanted } from './session.ts';

export interface HostOptions {
  readonly clock: Clock;
  /** Where the logs of the programs go, one file for each session. Default: a folder that is removed at the end. */
  readonly logs?: string | undefined;
  /** New sessions a second. Default 25. */
  readonly newPerSecond?: number;
  /** Default `reap`. */
  readonly untimed?: Untimed;
  /** Milliseconds of real time from SIGTERM to SIGKILL. Default 10,000. */
  readonly grace?: number;
  /** Milliseconds of real time until a program listens. Default 60,000. */
  readonly starting?: number;
  /** Milliseconds of real time until it answers a ping. Default 5,000. */
  readonly pinging?: number;
  onWarning?(message: string): void;
}

/** A session that is in use until `done` is called. */
export interface Lease {
  readonly session: Session;
  done(): void;
}

export interface Host {
  /**
   * The session of this id, started if there is none: calls at the same time start one.
   * @throws ToolError `SESSION_CONFLICT` while it ends, `SESSION_QUOTA` for too many new ones, `SESSION_DENIED` for another owner's,
   * `SESSION_FAILED` if the program does not start.
   */
  enter(wanted: Wanted): Promise<Lease>;
  /** @returns undefined if there is none. Does not count as use. @throws ToolError `SESSION_CONFLICT` while it starts or ends. */
  find(runtime: string, id: string): Session | undefined;
  list(): readonly Session[];
  /** The newest 1,000 that ended, newest last. */
  ended(): readonly Ended[];
  /** Stops those of which `of` says so. */
  stop(why: string, of: (wanted: Wanted) => boolean): Promise<void>;
  /** Stops all, and removes what is left of them. The host can be used again. */
  close(): Promise<void>;
}

const NEW_PER_SECOND = 25;
const KEPT = 1_000;

const keyOf = (runtime: string, id: string) => JSON.stringify([runtime, id]);
const refused = (code: string, message: string, retryable: boolean) => new ToolError(code, message, { outcome: 'not-run', retryable });
const conflict = (id: string, what: string) => refused('SESSION_CONFLICT', `The session ${id} is being ${what}. Try again.`, true);

export function sessionHost(o: HostOptions): Host {
  const { clock, newPerSecond = NEW_PER_SECOND, untimed = 'reap', grace = 10_000, starting = 60_000, pinging = 5_000 } = o;
  const sessions = new Map<string, { session?: Session; started: Promise<Session> }>();
  const ports = new Set<number>();
  const ended: Ended[] = [];
  let starts: number[] = [];
  let count = 0;
  const warn = (message: string) => o.onWarning?.(message);
  let own: { folder: string; logs: string; guard: Guard } | undefined;
  let closing: Promise<void> | undefined;

  function opened() {
    if (own) return own;
    const folder = mkdtempSync(join(tmpdir(), 'rondo-sessions-'));
    chmodSync(folder, 0o700);
    const logs = o.logs ?? join(folder, 'logs');
    mkdirSync(logs, { recursive: true, mode: 0o700 });
    own = { folder, logs, guard: startGuard(folder) };
    return own;
  }

  function admit(): void {
    const now = clock.now();
    starts = starts.filter((at) => at > now - 1000);
    if (starts.length >= newPerSecond) throw refused('SESSION_QUOTA', `More than ${newPerSecond} new sessions in a second.`, true);
    starts.push(now);
  }

  async function started(wanted: Wanted, key: string): Promise<Session> {
    let port = 0;
    let left = false;
    const leave = () => {
      // by then another one may have begun under its name
      if (left) return;
      left = true;
      ports.delete(port);
      sessions.delete(key);
    };
    try {
      // waited for first: once something fails, the entry is there to be left
      port = await freePort(ports);
      ports.add(port);
      const { folder, logs, guard } = opened();
      const name = `${++count}-${wanted.id.replace(/[^\w-]/g, '_').slice(0, 64)}`;
      const session = await startSession(wanted, {
        clock,
        guard,
        folder: join(folder, name),
        log: join(logs, `${name}.log`),
        port,
        untimed,
        grace,
        starting,
        pinging,
        onWarning: warn,
        onEnd(end) {
          leave();
          ended.push(end);
          if (ended.length > KEPT) ended.shift();
        },
      });
      const entry = sessions.get(key);
      if (entry) entry.session = session;
      return session;
    } catch (error) {
      leave();
      throw error;
    }
  }

  const stopAll = async (reason: Reason, why: string, of: (wanted: Wanted) => boolean) => {
    const entries = [...sessions.values()];
    await Promise.all(
      entries.map(async ({ started }) => {
        const session = await started.catch(() => undefined);
        if (session && of(session.wanted)) await session.stop(reason, why);
      }),
    );
  };

  return {
    async enter(wanted) {
      if (closing) throw conflict(wanted.id, 'stopped, as the server is');
      const key = keyOf(wanted.runtime, wanted.id);
      let entry = sessions.get(key);
      if (!entry) {
        admit();
        entry = { started: started(wanted, key) };
        sessions.set(key, entry);
      }
      const session = await entry.started;
      if (session.ending) throw conflict(wanted.id, 'torn down');
      if (session.wanted.owner !== wanted.owner)
        throw refused('SESSION_DENIED', `The session ${wanted.id} belongs to another caller.`, false);
      return { session, done: session.use() };
    },
    find(runtime, id) {
      const entry = sessions.get(keyOf(runtime, id));
      if (!entry) return undefined;
      if (!entry.session) throw conflict(id, 'created');
      if (entry.session.ending) throw conflict(id, 'torn down');
      return entry.session;
    },
    list: () => [...sessions.values()].flatMap(({ session }) => (session ? [session] : [])),
    ended: () => ended,
    stop: (why, of) => stopAll('stopped', why, of),
    close() {
      closing ??= cleared().finally(() => {
        closing = undefined;
      });
      return closing;
    },
  };

  async function cleared(): Promise<void> {
    await stopAll('closed', 'the server closed', () => true);
    if (!own) return;
    await own.guard.close();
    removeOrTell(own.folder, warn);
    own = undefined;
  }
}
