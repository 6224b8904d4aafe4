/** One life of a process that drives a tree of agents, as far as it gets: `node child.ts '<TreeOrder as JSON>'`. */
import { writeSync } from 'node:fs';
import { Engine, type Entry, RondoError, type RunState } from '../../../src/index.ts';
import { ANA, BEN, RUN } from '../job.ts';
import { told } from '../ledger.ts';
import { Points, pointed, type Where } from '../points.ts';
import { journalIn } from '../store.ts';
import { counted, deeds, outside, seen } from './deeds.ts';
import { decisionOn, desk, PROMPT } from './desk.ts';
import { GRAIN, type Mill, mill } from './mill.ts';
import { FORK, PRICES } from './parts.ts';
import { recordOf } from './record.ts';

export interface TreeOrder {
  dir: string;
  /** The point at which it is killed. */
  at: Where;
  job: 'desk' | 'mill';
  /**
   * `all` (default): goes on to the end, and answers what it is asked. `drive`: goes on as far as no one is asked. `decide`: answers one
   * approval, and does nothing more.
   */
  act?: 'all' | 'drive' | 'decide';
  /** Answers the last open approval first, and, where the process before it died, before the run is recovered. */
  early?: boolean;
  /** Forks the finished run instead. */
  fork?: { at: number; state?: Mill };
}

const order = JSON.parse(process.argv[2] as string) as TreeOrder;
const { dir, job, act = 'all' } = order;
const run = order.fork ? FORK : RUN;
const points = new Points(order.at);
const events = told(dir);
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);
const { journal, known } = counted(pointed(await journalIn(dir), points.pass));
const out = outside(dir, run, points.pass, () => known(run));
const agent = job === 'desk' ? desk(out) : mill(out);
const engine = new Engine({
  journal,
  agents: [agent],
  prices: PRICES,
  onEvent: ({ runId, seq, type }) => {
    if (seq !== undefined && runId === run) events.add({ run, pid: process.pid, seq, type });
  },
});

/** Where the run stands; what is asked of people then is written down. */
async function look(): Promise<RunState | undefined> {
  const found = await engine.inspect(run).catch((error) => {
    if (RondoError.is(error, 'RUN_NOT_FOUND')) return undefined;
    throw error;
  });
  if (found) seen(dir).add({ run, open: found.approvals.map(({ id }) => id) });
  return found;
}

async function begin(): Promise<void> {
  if (order.fork) await engine.fork(RUN, { at: order.fork.at, ...(order.fork.state && { state: { ...order.fork.state } }), id: FORK });
  else if (job === 'desk') await engine.run(agent, PROMPT, { id: RUN, by: ANA });
  else await engine.run(agent, GRAIN, { id: RUN, by: ANA });
}

async function decide({ approvals }: RunState): Promise<void> {
  const asked = approvals.at(order.early ? -1 : 0);
  if (!asked) return;
  await engine.decide(run, [decisionOn(asked)], { by: BEN });
  seen(dir).add({ run, acknowledged: asked.id });
}

/** An operator finds out what became of a step, and says so. */
async function settle({ unknowns }: RunState): Promise<void> {
  const entries: Entry[] = [];
  for await (const entry of journal.read(run)) entries.push(entry);
  const { byId } = recordOf(entries);
  const done = deeds(dir).all();
  for (const { callId, tool } of unknowns) {
    const what = byId.get(callId)?.what;
    const happened = done.some((deed) => deed.run === run && deed.kind === 'effect' && deed.what === what);
    await engine.settle(run, callId, { by: BEN, ...(happened ? { outcome: 'done', output: `${tool} done` } : { outcome: 'not-run' }) });
  }
}

/** Runs whose process died, and runs that somebody answered and no one resumed. */
async function recover(): Promise<void> {
  for await (const { run } of engine.recover()) await run;
  for await (const { run } of engine.sweep()) await run;
}

async function main(): Promise<object | undefined> {
  let found = await look();
  if (act === 'decide') {
    if (found) await decide(found);
    return look();
  }
  if (!found) await begin();
  else {
    if (order.early && act === 'all') await decide(found);
    await recover();
  }
  let settled = 0;
  for (found = await look(); act === 'all' && found; found = await look()) {
    if (found.approvals.length > 0) await decide(found);
    else if (found.status === 'failed' && settled++ < 3) await settle(found);
    else break;
    await engine.resume(run);
  }
  return found;
}

say({ ready: true });
let end: object | undefined;
try {
  const state = (await main()) as RunState | undefined;
  end = { status: state?.status, open: state?.approvals.length };
} catch (error) {
  const { code, message } = error as RondoError;
  end = { error: code ?? 'UNTYPED', message };
}
await engine.close();
say({ points: points.count, end });
