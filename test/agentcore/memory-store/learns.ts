// Learns from the events of a memory, and says when each attempt begins and ends. What it does is in its second argument.
import { writeSync } from 'node:fs';
import { facts, type MemoryStore, remember, sqliteMemory, strategy } from '../../../src/adapters/memory/index.ts';
import { agent, Engine } from '../../../src/index.ts';
import { scripted } from '../../../src/testing/index.ts';

export interface LearnOrder {
  /** `learn`: until all is learned. `die`: the process ends within each attempt. `talk`: a run of the engine, and the end before it is learned from. */
  as: 'learn' | 'die' | 'talk';
  /** Milliseconds that the clock of the memory is ahead: leases of processes that were killed have ended. */
  ahead: number;
  attempts: number;
}

const [path, order] = process.argv.slice(2) as [string, string];
const { as, ahead, attempts } = JSON.parse(order) as LearnOrder;
const say = (line: object) => writeSync(1, `${JSON.stringify({ pid: process.pid, at: Date.now(), ...line })}\n`);

const slow = strategy({
  name: 'slow',
  namespace: '/slow/{actorId}/',
  async extract({ actor, lines, event }) {
    say({ began: event, actor });
    if (as === 'die') process.kill(process.pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 3));
    say({ ended: event, actor });
    return lines.map(({ text }) => text);
  },
});
const waits = facts({ model: scripted(() => new Promise(() => {})) });
const store: MemoryStore = sqliteMemory(path, {
  strategies: as === 'talk' ? [waits] : [slow],
  retry: { attempts, delay: 0 },
  clock: { now: () => Date.now() + ahead },
});
if (as === 'talk') {
  const barista = agent({ name: 'barista', instructions: 'Take orders.', model: scripted(['Noted.']) });
  const engine = new Engine({ memory: remember(store), agents: [barista] });
  await engine.run(barista, 'I only drink decaf coffee.', { by: { id: 'ana' }, session: 'monday' });
  await engine.close();
  process.kill(process.pid, 'SIGKILL');
}
await store.settled();
await store.close();
say({ done: true });
