/** One life of a process that does the job, as far as it gets: `node child.ts '<Order as JSON>'`. */
import { statSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Approval, Engine, RondoError, type RunResult } from '../../src/index.ts';
import { ANA, BEN, decisionOn, PRICES, PROMPT, RUN, SESSION, worker } from './job.ts';
import { acknowledged, synced, told, walOf } from './ledger.ts';
import { Points, pointed, type Where } from './points.ts';
import { journalIn } from './store.ts';

export interface Order {
  dir: string;
  /** The point at which it gets the signal. */
  at: Where;
  signal?: NodeJS.Signals;
  /** Ends where the run pauses, so that another process answers; otherwise it answers itself. */
  leave?: boolean;
  /** Only begins an earlier run of the session. */
  earlier?: boolean;
  /** Keeps a record of what it has synced to disk, and what it was told is decided. */
  synced?: boolean;
}

const order = JSON.parse(process.argv[2] as string) as Order;
const { dir } = order;
const points = new Points(order.at, order.signal);
const events = told(dir);
const note = () => synced(dir).add({ wal: statSync(walOf(dir), { throwIfNoEntry: false })?.size ?? 0 });
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);
const journal = pointed(await journalIn(dir), points.pass, {
  ...(order.synced && { synced: note }),
  refused: () => say({ holds: true }),
});
const agent = worker(dir, points.pass);
const engine = new Engine({
  journal,
  agents: [agent],
  prices: PRICES,
  onEvent: ({ runId, seq, type }) => {
    if (seq !== undefined && runId === RUN) events.add({ pid: process.pid, seq, type });
  },
});

async function decide(approvals: readonly Approval[]): Promise<void> {
  await engine.decide(RUN, approvals.map(decisionOn), { by: BEN });
  if (!order.synced) return;
  for (const { id } of approvals) acknowledged(dir).add({ id });
  await sleep(20);
}

/** Goes on from wherever the run stands. */
async function once(): Promise<RunResult> {
  const found = await engine.inspect(RUN).catch((error) => {
    if (RondoError.is(error, 'RUN_NOT_FOUND')) return undefined;
    throw error;
  });
  if (!found) return engine.run(agent, PROMPT, { id: RUN, session: SESSION, by: ANA });
  if (found.approvals.length > 0) await decide(found.approvals);
  return engine.resume(RUN);
}

async function main(): Promise<object> {
  if (order.earlier) return engine.run(agent, 'Something else', { id: 'run-0', session: SESSION, by: ANA });
  let result = await once();
  while (result.status === 'paused' && !order.leave) result = await once();
  return result;
}

say({ ready: true });
let end: object;
try {
  end = await main();
} catch (error) {
  const { code, message } = error as RondoError;
  end = { error: code ?? 'UNTYPED', message };
}
// closing it makes one file of the two, and syncs the log before
if (order.synced) note();
await engine.close();
say({ points: points.count, end });
