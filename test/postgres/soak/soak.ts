/** Two servers on one journal in Postgres, under load, with one of them killed every few seconds. */
import { setTimeout as sleep } from 'node:timers/promises';
import { postgresJournal } from '../../../src/adapters/journal/postgres.ts';
import type { Entry, EntryOf, Journal } from '../../../src/index.ts';
import { CHECKED, type Done, Ledger, ONCE } from './job.ts';
import { type Order, startLoad } from './load.ts';
import { startVictim } from './servers.ts';

/** What came of it. All lists must be empty. */
export interface Verdict {
  seconds: number;
  runs: number;
  kills: number;
  /** Requests that found no server. */
  failedRequests: number;
  entries: number;
  effects: number;
  approvals: number;
  /** Claims of a run by another process. */
  takeovers: number;
  /** Calls without a check whose outcome is honestly unknown. */
  unknown: number;
  /** Calls that were told that another order pays at this moment. They did nothing. */
  busy: number;
  unfinished: string[];
  duplicates: string[];
  lost: string[];
  lostApprovals: string[];
  paidTwice: string[];
}

interface Soak {
  url: string;
  /** A name of its own, for the schemas. */
  name: string;
  seconds: number;
  /** Seconds between two kills. */
  every: number;
  clients: number;
}

export async function soak({ url, name, seconds, every, clients }: Soak): Promise<Verdict> {
  const order = { url, schema: name, world: `${name}_world` };
  const ledger = new Ledger(url, order.world);
  await ledger.make(order.world);
  const victims = await Promise.all([startVictim(order), startVictim(order)]);
  const journal = postgresJournal({ url, schema: order.schema });
  try {
    const load = startLoad(
      victims.map((victim) => victim.url),
      clients,
    );
    const until = Date.now() + 1_000 * seconds;
    let kills = 0;
    // each server at least once, however slow the machine is
    while (Date.now() < until || kills < 2) {
      await sleep(1_000 * every * (0.5 + Math.random()));
      await victims[kills++ % 2]?.kill();
    }
    const finished = await load.finish(180_000);
    const verdict = await judge(journal, ledger, load.orders);
    if (!finished) verdict.unfinished.push('the load did not end in time');
    return { ...verdict, seconds, kills, failedRequests: load.failed };
  } finally {
    await Promise.all(victims.map((victim) => victim.end()));
    await journal.close?.();
    await ledger.close();
  }
}

async function judge(journal: Journal, ledger: Ledger, orders: readonly Order[]) {
  const found = { entries: 0, approvals: 0, takeovers: 0, unknown: 0, busy: 0 };
  const wrong = { unfinished: [] as string[], duplicates: [] as string[], lost: [] as string[], lostApprovals: [] as string[] };
  const done = new Map<string, Done[]>();
  const effects = await ledger.all();
  for (const effect of effects) {
    const what = `${effect.tool} ${effect.n}`;
    done.set(what, [...(done.get(what) ?? []), effect]);
  }
  for (const name of ONCE)
    for (const [what, all] of done)
      if (what.startsWith(`${name} `) && all.length > 1) wrong.duplicates.push(`${what}: ${all.length} times`);
  const paidTwice = [...done].flatMap(([what, all]) => (what.startsWith('pay ') && all.length > 1 ? [`${what}: ${all.length} times`] : []));

  for (const { n, runId, approved, status } of orders) {
    const entries: Entry[] = [];
    for await (const entry of journal.read(runId)) entries.push(entry);
    found.entries += entries.length;
    found.takeovers += entries.filter(({ type }) => type === 'run.claimed').length;
    if (status !== 'completed') wrong.unfinished.push(`order ${n} is ${status}: ${JSON.stringify(entries.at(-1))}`);
    for (const id of approved) {
      found.approvals++;
      if (!entries.some((entry) => entry.type === 'approval.decided' && entry.id === id))
        wrong.lostApprovals.push(`order ${n}: the decision on ${id} was acknowledged, and is not there`);
    }
    for (const answer of entries) {
      if (answer.type !== 'model.responded') continue;
      answer.content
        .filter((part) => part.type === 'toolCall')
        .forEach(({ name, input }, i) => {
          const end = entries.findLast((entry) => entry.type === 'call.finished' && entry.call === `${answer.seq}.${i}`);
          const { n: of } = input as { n: number };
          judgeCall(`order ${n}: ${name} ${of}`, name, end as EntryOf<'call.finished'> | undefined, done.has(`${name} ${of}`));
        });
    }
  }

  function judgeCall(what: string, name: string, end: EntryOf<'call.finished'> | undefined, happened: boolean): void {
    if (!end) wrong.lost.push(`${what} has no result`);
    else if (end.ok && !happened) wrong.lost.push(`${what} is told to be done, and is not`);
    else if (!end.ok && end.error?.outcome === 'unknown') {
      found.unknown++;
      if (CHECKED.has(name)) wrong.lost.push(`${what} is unknown, and could have been found out`);
    } else if (!end.ok && happened && name !== 'pay') wrong.lost.push(`${what} is told not to be done (${end.error?.code}), and is`);
    else if (!end.ok && end.error?.code === 'INTENT_BUSY' && happened) found.busy++;
    else if (!end.ok) wrong.lost.push(`${what} failed: ${JSON.stringify(end.error)}`);
  }
  return { runs: orders.length, effects: effects.length, ...found, ...wrong, paidTwice };
}
