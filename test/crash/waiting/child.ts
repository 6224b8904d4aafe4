/** One life of a process that sends events, enqueues runs, or drives what is due: `node child.ts '<WaitingOrder as JSON>'`. */
import { existsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Engine, RondoError } from '../../../src/index.ts';
import { Points, pointed, type Where } from '../points.ts';
import { journalIn } from '../store.ts';
import { ANA, acknowledged, agents, type Clock, passed, START } from './agents.ts';
import { pointedStatements } from './statements.ts';

export interface WaitingOrder {
  dir: string;
  /** The point at which it is killed. */
  at: Where;
  /** The points are the statements of SQLite, in place of the writes of the journal. */
  fine?: boolean;
  does: { send: readonly Sent[] } | { enqueue: readonly Queued[] } | { work: Working };
}

export interface Sent {
  id: string;
  topic: string;
  text: string | number;
  all?: boolean;
}

export interface Queued {
  id: string;
  text: string;
  agent: 'echo' | 'listener' | 'sleeper';
  session?: string;
  tenant?: string;
}

export interface Working {
  /** Times that the store's clock shows one after the other; a life goes on with the first one that none before it was done with. */
  times: readonly number[];
  concurrency?: number;
  /** Goes on at the last time until there is this file. */
  until?: string;
}

const { dir, at, does, fine } = JSON.parse(process.argv[2] as string) as WaitingOrder;
const points = new Points(at);
const clock: Clock = { now: START };
if (fine) pointedStatements(points.pass);
const journal = pointed(await journalIn(dir), fine ? () => undefined : points.pass, { now: () => clock.now });
const all = agents(dir, points.pass);
const engine = new Engine({ journal, agents: Object.values(all) });
const problems: string[] = [];

async function send(sent: readonly Sent[]): Promise<void> {
  for (const { id, topic, text, all } of sent) {
    const event = { event: 'reply', key: topic, data: { text }, id, ...(all && { deliver: 'all' as const }) };
    const told = await engine.signal(event, { by: ANA }).then(({ state }) => state, codeOf);
    acknowledged(dir).add({ id, told });
  }
}

async function enqueue(runs: readonly Queued[]): Promise<void> {
  for (const { id, text, agent, session, tenant } of runs) {
    const o = { id, by: tenant === undefined ? ANA : { id: 'ana', tenant }, ...(session !== undefined && { session }) };
    const told = await engine.enqueue(all[agent], text, o).then(() => 'queued', codeOf);
    acknowledged(dir).add({ id, told });
  }
}

async function work({ times, concurrency, until }: Working): Promise<void> {
  const last = passed(dir).all().at(-1) ?? Number.NEGATIVE_INFINITY;
  const left = times.filter((time) => time > last || time === times.at(-1));
  clock.now = left[0] as number;
  const work = engine.work({
    every: 20,
    ...(concurrency !== undefined && { concurrency }),
    onError: (error) => void problems.push(codeOf(error as Error)),
  });
  for (const time of left) {
    clock.now = time;
    await work.idle();
    if (time > last && time !== times.at(-1)) passed(dir).add(time);
  }
  while (until !== undefined && !existsSync(join(dir, until))) await sleep(5);
  await work.idle();
}

const codeOf = (error: Error) => (RondoError.is(error) ? error.code : `UNTYPED ${error.stack}`);

writeSync(1, `${JSON.stringify({ ready: true })}\n`);
if ('send' in does) await send(does.send);
else if ('enqueue' in does) await enqueue(does.enqueue);
else await work(does.work);
await engine.close();
writeSync(1, `${JSON.stringify({ points: points.count, end: { status: 'over', problems } })}\n`);
