/** One of the servers: `node child.ts '<ServerOrder as JSON>'`. It serves until it is killed. */
import { postgresJournal } from '../../../src/adapters/journal/postgres.ts';
import { Engine } from '../../../src/index.ts';
import { serve } from '../../../src/server/index.ts';
import { clerk, Ledger } from './job.ts';

export interface ServerOrder {
  url: string;
  schema: string;
  world: string;
  port: number;
}

const { url, schema, world, port } = JSON.parse(process.argv[2] as string) as ServerOrder;
const agent = clerk(new Ledger(url, world));
const engine = new Engine({ journal: postgresJournal({ url, schema }), agents: [agent] });
const served = await serve(engine, agent, { port, worker: { concurrency: 64, every: 500 } });
process.stdout.write(`${JSON.stringify({ url: served.url })}\n`);
