/** Sessions of the program in fixtures/program.mjs, for tests. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import { type Host, type HostOptions, sessionHost } from '../../src/adapters/agentcore/sessions/host.ts';
import type { Wanted } from '../../src/adapters/agentcore/sessions/session.ts';
import { type MovableClock, movableClock } from '../../src/adapters/agentcore/wire/clock.ts';

export const PROGRAM = fileURLToPath(new URL('fixtures/program.mjs', import.meta.url));

const open: Host[] = [];
afterEach(async () => {
  for (const host of open.splice(0)) await host.close();
});

/** A host whose time stands still. */
export function start(o: Partial<HostOptions> = {}): { host: Host; clock: MovableClock; warnings: string[] } {
  const clock = movableClock({ frozen: true, start: Date.now() });
  const warnings: string[] = [];
  const host = sessionHost({ clock, onWarning: (message) => warnings.push(message), ...o });
  open.push(host);
  return { host, clock, warnings };
}

export const wanted = (id: string, o: Partial<Wanted> = {}): Wanted => ({
  runtime: 'demo',
  id,
  protocol: 'HTTP',
  program: { command: ['node', PROGRAM], cwd: process.cwd(), env: {} },
  idle: 900,
  lifetime: 28_800,
  ...o,
});

/** One invocation, from its start to its end. */
export async function invoke<T = Record<string, unknown>>(host: Host, of: Wanted, input: object): Promise<T> {
  const { session, done } = await host.enter(of);
  try {
    const { body } = await session.ask({ method: 'POST', path: '/invocations', headers: {}, body: JSON.stringify(input) });
    return JSON.parse(Buffer.concat(await listOf<Buffer>(body)).toString('utf8')) as T;
  } finally {
    done();
  }
}

/** Whether the process runs: one that has ended and waits for its parent does not. */
export const runs = (pid: number): boolean => existsSync(`/proc/${pid}`);

export async function listOf<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of from) all.push(one);
  return all;
}
