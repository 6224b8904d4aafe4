/** A command in a session: its output as it comes, then how it ended. */
import { StringDecoder } from 'node:string_decoder';
import type { Session } from './session.ts';

export type CommandEvent =
  | { readonly stdout: string }
  | { readonly stderr: string }
  /** The exit code of one that a signal ended is 128 and the signal's number, as a shell says it. */
  | { readonly exitCode: number; readonly timedOut: boolean };

const SHELL = '/bin/sh';
const KILLED = 137;
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

export const exitCodeOf = ({ code, signal }: { code: number | null; signal: string | null }): number =>
  code ?? 128 + (SIGNALS[signal ?? ''] ?? 0);

/**
 * Runs a command by a shell, in the session's folder and environment. The session is in use meanwhile.
 * @param timeout seconds of the session's clock, after which it is killed with all that it started.
 * @param signal kills it.
 * @throws ToolError `SESSION_FAILED` if no shell starts.
 */
export async function* runCommand(
  session: Session,
  command: string,
  timeout: number,
  after: (ms: number, act: () => void) => () => void,
  signal: AbortSignal,
): AsyncGenerator<CommandEvent> {
  const group = await session.start([SHELL, '-c', command]);
  const kill = () => {
    group.kill('SIGKILL');
    // what left the group may still hold the pipes
    group.child.stdout?.destroy();
    group.child.stderr?.destroy();
  };
  let timedOut = false;
  const cancel = after(timeout * 1000, () => {
    timedOut = true;
    kill();
  });
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  try {
    yield* outputOf(group.child.stdout, group.child.stderr, group.child.stdin);
    const exitCode = exitCodeOf(await group.exited);
    yield { exitCode: timedOut ? KILLED : exitCode, timedOut };
  } finally {
    cancel();
    signal.removeEventListener('abort', kill);
    kill();
  }
}

type Streams = { stdout: NodeJS.ReadableStream | null; stderr: NodeJS.ReadableStream | null };

/** What both streams say, in the order in which it arrives. A stream that is not read is paused, so that no output piles up. */
async function* outputOf(
  stdout: Streams['stdout'],
  stderr: Streams['stderr'],
  stdin: NodeJS.WritableStream | null,
): AsyncGenerator<CommandEvent> {
  stdin?.on('error', () => undefined);
  stdin?.end();
  const sources = [
    ...(stdout ? [eventsOf(stdout, (text) => ({ stdout: text }))] : []),
    ...(stderr ? [eventsOf(stderr, (text) => ({ stderr: text }))] : []),
  ];
  const next = new Map(sources.map((source) => [source, step(source)]));
  while (next.size > 0) {
    const { source, result } = await Promise.race(next.values());
    if (result.done) next.delete(source);
    else {
      next.set(source, step(source));
      yield result.value;
    }
  }
}

function step(source: AsyncGenerator<CommandEvent>) {
  const next = source.next().then((result) => ({ source, result }));
  // it is not waited for while the reader is busy, and not at all once the reader has left
  next.catch(() => undefined);
  return next;
}

async function* eventsOf(stream: NodeJS.ReadableStream, as: (text: string) => CommandEvent): AsyncGenerator<CommandEvent> {
  // a character may be cut at the end of a chunk
  const decoder = new StringDecoder('utf8');
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const text = decoder.write(chunk);
      if (text !== '') yield as(text);
    }
  } catch (error) {
    // it was closed, with the command
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  const rest = decoder.end();
  if (rest !== '') yield as(rest);
}
