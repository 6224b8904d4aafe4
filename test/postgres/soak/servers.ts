import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { compiled } from '../../kit/compiled.ts';
import type { ServerOrder } from './child.ts';

/** A server process that is started again after each kill, at the same address. */
export interface Victim {
  url: string;
  /** By SIGKILL; resolves once another process serves in its place. */
  kill(): Promise<void>;
  end(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

async function begin(order: ServerOrder): Promise<{ url: string; stop(): Promise<void> }> {
  const script = fileURLToPath(new URL('./child.ts', import.meta.url));
  const env = { ...process.env, ...compiled };
  const child = spawn(process.execPath, [script, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'pipe'], env });
  alive.add(child);
  const ended = once(child, 'close').then(() => void alive.delete(child));
  let said = '';
  child.stderr.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-4_000);
  });
  const first = createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  const { value } = await first;
  if (value === undefined) throw new Error(`a server ended before it served: ${said}`);
  return {
    url: (JSON.parse(value) as { url: string }).url,
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export async function startVictim(order: Omit<ServerOrder, 'port'>): Promise<Victim> {
  const port = await freePort();
  let server = await begin({ ...order, port });
  return {
    url: server.url,
    async kill() {
      await server.stop();
      server = await begin({ ...order, port });
    },
    end: () => server.stop(),
  };
}
