/** Shells in a session. A client may leave one and come back: what it missed is replayed. There is no terminal behind it: a shell gets pipes. */
import { ToolError } from '../../../errors.ts';
import { exitCodeOf } from './command.ts';
import type { Group } from './process.ts';
import type { Session } from './session.ts';

export interface ShellClient {
  /** `stream`: 1 for stdout, 2 for stderr. At most 65,535 bytes. @param sent called when they are on their way: a shell waits for a client that does not read. */
  output(stream: 1 | 2, bytes: Uint8Array, sent: () => void): void;
  exited(code: number): void;
  /** Another client took the shell. */
  kicked(): void;
}

export interface Shell {
  /**
   * Connects a client, in place of another, and hands it what was said while there was none.
   * @returns whether it ran already, and how many bytes were lost meanwhile; `begin` starts the output.
   */
  attach(client: ShellClient): { reconnected: boolean; dropped: number; begin(): void };
  /** Leaves the shell running. Does nothing for a client that was replaced. */
  detach(client: ShellClient): void;
  /** @param taken called when the shell takes more: it may read slower than its client writes. */
  write(bytes: Uint8Array, taken?: () => void): void;
  kill(): void;
}

/** Of a session. */
const MOST_SHELLS = 10;
/** Bytes in one piece of output. */
const CHUNK = 65_535;
/** Bytes that wait: for a client that is away, for one that does not read, or for the shell to read. */
const KEPT = 262_144;
/** Milliseconds. */
const LONGEST = 3_600_000;

const shellsOf = new WeakMap<Session, Map<string, Promise<Shell>>>();

/**
 * The shell of this id, started if there is none.
 * @throws ToolError `SESSION_QUOTA` for one too many, `SESSION_FAILED` if it does not start.
 */
export function openShell(session: Session, id: string, after: (ms: number, act: () => void) => () => void): Promise<Shell> {
  const shells = shellsOf.get(session) ?? new Map<string, Promise<Shell>>();
  shellsOf.set(session, shells);
  const known = shells.get(id);
  if (known) return known;
  if (shells.size >= MOST_SHELLS)
    throw new ToolError('SESSION_QUOTA', `A session has at most ${MOST_SHELLS} shells.`, { outcome: 'not-run', retryable: true });
  const leave = () => void shells.delete(id);
  const made = session.start(['/bin/sh']).then((group) => {
    const cancel = after(LONGEST, () => group.kill('SIGKILL'));
    void group.exited.then(() => {
      cancel();
      leave();
    });
    return shellOf(group);
  });
  made.catch(leave);
  shells.set(id, made);
  return made;
}

function shellOf(group: Group): Shell {
  const { stdin, stdout, stderr } = group.child;
  let client: ShellClient | undefined;
  let waiting = true;
  let missed: { stream: 1 | 2; bytes: Uint8Array }[] = [];
  let length = 0;
  let dropped = 0;
  let attached = false;
  /** Bytes that were handed to the client, and are not on their way. */
  let unsent = 0;

  const say = (stream: 1 | 2) => (data: Buffer) => {
    for (let at = 0; at < data.length; at += CHUNK) {
      const bytes = data.subarray(at, at + CHUNK);
      if (client && !waiting) give(client, stream, bytes);
      else keep(stream, bytes);
    }
  };
  function give(own: ShellClient, stream: 1 | 2, bytes: Uint8Array): void {
    unsent += bytes.length;
    own.output(stream, bytes, () => {
      if (client !== own) return;
      unsent -= bytes.length;
      hold();
    });
    hold();
  }
  function hold(): void {
    for (const output of [stdout, stderr]) unsent > KEPT ? output?.pause() : output?.resume();
  }
  function become(own: ShellClient | undefined): void {
    client = own;
    unsent = 0;
    hold();
  }
  function keep(stream: 1 | 2, bytes: Uint8Array): void {
    missed.push({ stream, bytes });
    length += bytes.length;
    while (length > KEPT) {
      const [first] = missed as [{ stream: 1 | 2; bytes: Uint8Array }];
      const over = Math.min(length - KEPT, first.bytes.length);
      if (over === first.bytes.length) missed.shift();
      else first.bytes = first.bytes.subarray(over);
      length -= over;
      dropped += over;
    }
  }
  stdout?.on('data', say(1));
  stderr?.on('data', say(2));
  stdin?.on('error', () => undefined);
  // its last output comes before its exit is told
  group.child.once('close', (code: number | null, signal: string | null) => client?.exited(exitCodeOf({ code, signal })));

  return {
    attach(own) {
      client?.kicked();
      become(own);
      waiting = true;
      const told = { reconnected: attached, dropped };
      attached = true;
      dropped = 0;
      return {
        ...told,
        begin() {
          waiting = false;
          const replay = missed;
          missed = [];
          length = 0;
          for (const { stream, bytes } of replay) give(own, stream, bytes);
        },
      };
    },
    detach(own) {
      if (client === own) become(undefined);
    },
    write(bytes, taken = () => undefined) {
      const waits = (stdin?.writableLength ?? 0) > KEPT;
      stdin?.write(bytes, () => waits && taken());
      if (!waits) taken();
    },
    kill: () => group.kill('SIGKILL'),
  };
}
