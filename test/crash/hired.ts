/** A process that has foreign agents do what a key names, in one run after the other: `node hired.ts '<HiredOrder as JSON>'`. */
import { writeSync } from 'node:fs';
import { type Effect, Engine, foreignAgent, type Json, RondoError, type RunResult } from '../../src/index.ts';
import { effects } from './ledger.ts';
import { Points, pointed, type Where } from './points.ts';
import { journalIn } from './store.ts';

export interface HiredOrder {
  dir: string;
  runs: readonly string[];
  effect: 'once' | 'idempotent';
  at: Where;
}

const { dir, runs, effect, at } = JSON.parse(process.argv[2] as string) as HiredOrder;
const BY = { id: 'ana', tenant: 'acme' };
const ledger = effects(dir);
const points = new Points(at);

/** Does something in each of its two turns, and asks a question between them. */
const hired = (name: string, effect: Effect) =>
  foreignAgent<string, Json>({
    name,
    effect,
    key: (order) => String(order),
    turn: async (turn, { idempotencyKey: key }) => {
      const n = turn.type === 'start' ? 1 : 2;
      points.pass(`in turn ${n}, before its effect`);
      ledger.add({ tool: name, n, key, attempt: 1, pid: process.pid });
      points.pass(`in turn ${n}, after its effect`);
      await new Promise((resolve) => setTimeout(resolve, 2));
      if (n === 1) return { status: 'paused', state: { at: 1 }, asks: [{ id: 'q', kind: 'question', question: 'Sure?' }] };
      return { status: 'completed', output: 'receipt' };
    },
  });
const agent = hired(effect, effect);
const engine = new Engine({ journal: pointed(await journalIn(dir), points.pass), agents: [agent] });

async function toTheEnd(id: string): Promise<RunResult> {
  const known = await engine.inspect(id, { by: BY }).catch((error) => {
    if (RondoError.is(error, 'RUN_NOT_FOUND')) return undefined;
    throw error;
  });
  let result = await (known ? engine.resume(id, { by: BY }) : engine.run(agent, '7', { id, by: BY }));
  while (result.status === 'paused') {
    const [asked] = result.approvals;
    if (!asked) throw new Error(`${id} waits for no one`);
    await engine.decide(id, [{ approval: asked.id, type: 'respond', answer: 'yes' }], { by: BY });
    result = await engine.resume(id, { by: BY });
  }
  return result;
}

const ends: Record<string, string> = {};
for (const run of runs) {
  const end = await toTheEnd(run);
  ends[run] = end.status === 'failed' ? end.error.code : `${end.status}: ${'output' in end ? end.output : ''}`;
}
await engine.close();
writeSync(1, `${JSON.stringify({ points: points.count, end: { status: 'over', ends } })}\n`);
