/** One session: its process, its folder, and when it ends. */
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { removeOrTell } from '../removal.ts';
import { TOKEN_HEADER, TOKEN_VARIABLE } from '../session-token.ts';
import type { Clock } from '../wire/clock.ts';
import type { Guard } from './guard.ts';
import { type Activity, afterPing, type Ping, pingOf, type Untimed } from './ping.ts';
import { endGroup, type Group, listens, PATH, type Program, sessionFailed, startGroup } from './process.ts';
import { type Answered, type Asked, ask, textOf } from './request.ts';

export type Protocol = 'HTTP' | 'MCP' | 'A2A' | 'AGUI';

export interface Wanted {
  /** Names what runs: sessions of different runtimes or endpoints are different, whatever their ids. */
  readonly runtime: string;
  readonly id: string;
  /** Whose session it is. Others are refused. Default: of all who may call the runtime. */
  readonly owner?: string | undefined;
  readonly protocol: Protocol;
  readonly program: Program;
  /** Seconds without an invocation, after which it ends. */
  readonly idle: number;
  /** Seconds after its start, after which it ends. */
  readonly lifetime: number;
}

/** Why a session ended. */
export type Reason = 'idle' | 'lifetime' | 'stopped' | 'unhealthy' | 'exited' | 'closed';
export interface Ended {
  readonly runtime: string;
  readonly id: string;
  readonly reason: Reason;
  /** In words. */
  readonly why: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly log: string;
}

export interface Around {
  readonly clock: Clock;
  readonly guard: Guard;
  /** A folder for the session's own, which does not exist yet. */
  readonly folder: string;
  readonly log: string;
  readonly port: number;
  readonly untimed: Untimed;
  /** Milliseconds of real time: from SIGTERM to SIGKILL, until the program listens, and until it answers a ping. */
  readonly grace: number;
  readonly starting: number;
  readonly pinging: number;
  onWarning(message: string): void;
  onEnd(ended: Ended): void;
}

export interface Session {
  readonly wanted: Wanted;
  readonly port: number;
  readonly log: string;
  readonly startedAt: number;
  /** Headers by which the program knows that a request is from here. `ask` sends them. */
  readonly known: Readonly<Record<string, string>>;
  /** What its commands and shells run in: its own folder and environment. */
  readonly place: { readonly cwd: string; readonly env: Readonly<Record<string, string>> };
  /** Set from when it began to end. */
  readonly ending: boolean;
  readonly busy: boolean;
  /** Counts as being used until the function is called. */
  use(): () => void;
  ask(asked: Asked): Promise<Answered>;
  /** Starts a process that ends with the session. */
  start(command: Program['command']): Promise<Group>;
  /** Resolves when its process has ended and its folder is gone. Never rejects. */
  stop(reason: Reason, why: string): Promise<void>;
}

/** Milliseconds between pings. */
const PING_EVERY = 2_000;
/** Pings in a row that may fail. */
const FAILURES = 3;
const PING_BYTES = 65_536;

/** @throws ToolError `SESSION_FAILED`. */
export async function startSession(wanted: Wanted, around: Around): Promise<Session> {
  const { clock, guard, folder, log, port } = around;
  const { program, protocol } = wanted;
  const token = randomBytes(24).toString('base64url');
  const [home, tmp] = [join(folder, 'home'), join(folder, 'tmp')];
  for (const path of [folder, home, tmp]) mkdirSync(path, { mode: 0o700 });
  const env = {
    PATH,
    LANG: 'C.UTF-8',
    ...program.env,
    HOME: home,
    TMPDIR: tmp,
    PORT: String(port),
    [TOKEN_VARIABLE]: token,
    ...(protocol === 'A2A' && { AGENTCORE_RUNTIME_URL: program.env.AGENTCORE_RUNTIME_URL ?? `http://127.0.0.1:${port}/` }),
  };
  const file = openSync(log, 'a', 0o600);
  const begun = clock.now();
  const end = (reason: Reason, why: string, startedAt: number, endedAt: number) =>
    around.onEnd({ runtime: wanted.runtime, id: wanted.id, reason, why, startedAt, endedAt, log });
  let main: Group;
  try {
    main = await startGroup({ ...program, env }, file, guard);
  } catch (error) {
    removeOrTell(folder, around.onWarning);
    throw error;
  } finally {
    closeSync(file);
  }
  let exit: string | undefined;
  void main.exited.then(({ code, signal }) => {
    exit = code === null ? `was ended by ${signal}` : `exited with ${code}`;
  });
  if (!(await listens(port, main, around.starting))) {
    const why = `its program did not listen on the port in PORT: it ${exit ?? `took more than ${around.starting} ms`}`;
    await endGroup(main, around.grace);
    removeOrTell(folder, around.onWarning);
    end('exited', why, begun, clock.now());
    around.onWarning(`Session ${wanted.id} did not start: ${why}. What it said is in ${log}.`);
    throw sessionFailed(`The session did not start: ${why}.`);
  }

  const startedAt = clock.now();
  const others = new Set<Group>();
  let activity: Activity = { since: startedAt, busy: false };
  let uses = 0;
  let failures = 0;
  let warned = false;
  let cancel: () => void = () => undefined;
  let ended: Promise<void> | undefined;

  const ownAsk = (asked: Asked) => ask(port, { ...asked, headers: { ...asked.headers, [TOKEN_HEADER]: token } });
  const idleAt = () => (uses > 0 || activity.busy ? Number.POSITIVE_INFINITY : activity.since + wanted.idle * 1000);
  const dueAt = startedAt + wanted.lifetime * 1000;

  async function ping(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(around.pinging);
      const answer = await ownAsk({ method: 'GET', path: '/ping', headers: {}, signal });
      heard(pingOf(answer.status, await textOf(answer, PING_BYTES)));
      failures = 0;
    } catch (error) {
      failures++;
      if (failures >= FAILURES) void stop('unhealthy', `${FAILURES} pings in a row failed: ${(error as Error).message}`);
    }
  }

  function heard(answer: Ping): void {
    if (answer.status === 'HealthyBusy' && answer.time === undefined && around.untimed === 'reap' && !warned) {
      warned = true;
      around.onWarning(
        `Session ${wanted.id}: /ping answers HealthyBusy without time_of_last_update, which protects nothing on AWS. Send the time of the last change.`,
      );
    }
    activity = afterPing(activity, answer, clock.now(), around.untimed);
  }

  async function check(): Promise<void> {
    if (ended) return;
    // what serves MCP has no /ping
    if (protocol !== 'MCP') await ping();
    const now = clock.now();
    if (now >= dueAt) void stop('lifetime', `its maximum lifetime of ${wanted.lifetime} s is over`);
    else if (now >= idleAt()) void stop('idle', `nothing was asked of it for ${wanted.idle} s, and it was not busy`);
    arm();
  }

  function arm(): void {
    cancel();
    if (ended) return;
    const now = clock.now();
    cancel = clock.after(Math.max(0, Math.min(now + PING_EVERY, idleAt(), dueAt) - now), check);
  }

  function stop(reason: Reason, why: string): Promise<void> {
    ended ??= (async () => {
      cancel();
      const endedAt = clock.now();
      await Promise.all([main, ...others].map((group) => endGroup(group, around.grace)));
      removeOrTell(folder, around.onWarning);
      end(reason, why, startedAt, endedAt);
    })();
    return ended;
  }

  void main.exited.then(() => stop('exited', `its process ${exit}`));
  await check();

  return {
    wanted,
    port,
    log,
    startedAt,
    known: { [TOKEN_HEADER]: token },
    place: { cwd: home, env },
    get ending() {
      return ended !== undefined;
    },
    get busy() {
      return uses > 0 || activity.busy;
    },
    use() {
      uses++;
      let over = false;
      return () => {
        if (over) return;
        over = true;
        uses--;
        // what the program says next begins a comparison: a change before belongs to this use
        activity = { since: clock.now(), busy: activity.busy };
        arm();
      };
    },
    ask: ownAsk,
    async start(command) {
      const group = await startGroup({ command, cwd: home, env }, 'pipe', guard);
      others.add(group);
      void group.exited.then(() => others.delete(group));
      return group;
    },
    stop,
  };
}
