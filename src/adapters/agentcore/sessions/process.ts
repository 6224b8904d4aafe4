/** A process of a session: in a group of its own, in an environment that is made for it, with its output in a file or a pipe. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { delimiter, dirname } from 'node:path';
import { ToolError } from '../../../errors.ts';
import type { Guard } from './guard.ts';

export interface Program {
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface Group {
  readonly child: ChildProcess;
  /** `code` is null for a process that a signal ended. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** Sends a signal to the process and all that it started. Does nothing once the process has exited. */
  kill(signal: NodeJS.Signals): void;
}

/** Where programs are looked for: the folder of this Node, then the usual ones. It is not the server's own `PATH`. */
export const PATH = [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter);

/** The failure of a program. The message goes to the client. */
export const sessionFailed = (message: string, cause?: unknown) => new ToolError('SESSION_FAILED', message, { outcome: 'failed', cause });

/** @param output the number of an open file for stdout and stderr, or `pipe` for all three streams. @throws ToolError `SESSION_FAILED`. */
export async function startGroup(program: Program, output: number | 'pipe', guard: Guard): Promise<Group> {
  const { command, cwd, env } = program;
  const [file, ...args] = command;
  const stdio = output === 'pipe' ? ('pipe' as const) : (['ignore', output, output] as const);
  const child = spawn(file, args, { cwd, env, stdio: typeof stdio === 'string' ? stdio : [...stdio], detached: true });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => reject(sessionFailed(`The program ${file} could not be started: ${cause.message}.`, cause)));
  });
  const group = child.pid as number;
  guard.add(group);
  let running = true;
  const signalled = (signal: NodeJS.Signals) => {
    try {
      process.kill(-group, signal);
    } catch {
      // the group has ended
    }
  };
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once('exit', (code, signal) => {
      running = false;
      // what it left behind
      signalled('SIGKILL');
      guard.remove(group);
      resolve({ code, signal });
    }),
  );
  return { child, exited, kill: (signal) => void (running && signalled(signal)) };
}

/** SIGTERM, and after `grace` milliseconds of real time SIGKILL. */
export async function endGroup({ kill, exited }: Group, grace: number): Promise<void> {
  kill('SIGTERM');
  const timer = setTimeout(() => kill('SIGKILL'), grace);
  await exited;
  clearTimeout(timer);
}

/** A port of this machine that is free now. */
export async function freePort(taken: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise<void>((resolve) => server.close(() => resolve()));
    if (!taken.has(port)) return port;
  }
}

/** Milliseconds between attempts to connect. */
const KNOCK = 20;

/** Waits until something listens at the port. @returns false if the process ended first, or `within` milliseconds of real time have passed. */
export async function listens(port: number, { exited }: Group, within: number): Promise<boolean> {
  const end = Date.now() + within;
  let running = true;
  void exited.then(() => {
    running = false;
  });
  while (running && Date.now() < end) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return running;
    await new Promise((resolve) => setTimeout(resolve, KNOCK));
  }
  return false;
}
