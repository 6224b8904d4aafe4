import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { freePort } from '../postgres/soak/servers.ts';

/** DynamoDB Local, in memory. */
export interface Server {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** Any credentials will do, and each gets the tables of all. */
export const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };

export const clientOf = (endpoint: string) =>
  new DynamoDBClient({ endpoint, region: 'eu-central-1', credentials: CREDENTIALS, maxAttempts: 1 });

/** Starts the program of a folder. */
export async function startServer(folder: string, port?: number): Promise<Server> {
  const on = port ?? (await freePort());
  const args = ['-Xmx512m', '-Djava.library.path=./DynamoDBLocal_lib', '-jar', 'DynamoDBLocal.jar', '-inMemory', '-sharedDb'];
  const child = spawn('java', [...args, '-port', String(on)], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => void log.push(String(data)));
  const ended = once(child, 'exit');
  const endpoint = `http://127.0.0.1:${on}`;
  const client = clientOf(endpoint);
  for (;;) {
    if (child.exitCode !== null) throw new Error(`DynamoDB Local does not start: ${log.slice(-20).join('')}`);
    const up = await client.send(new ListTablesCommand({})).then(
      () => true,
      () => false,
    );
    if (up) break;
    await sleep(100);
  }
  client.destroy();
  return {
    endpoint,
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
