/** The memory that runs hold while their models think: in its own process, because a heap does not shrink to its old size. */
import { sqliteJournal } from '../src/adapters/journal/sqlite.ts';
import { memoryJournal } from '../src/index.ts';
import { bareRun } from './bare.ts';
import { bareLoop, counted, lookupAgent, newEngine, rondoRun, scratch } from './contenders.ts';
import { CONCURRENT } from './targets.ts';
import { instantModel } from './workload.ts';

/** Bytes per run. */
export interface Held {
  heap: number;
  rss: number;
}

export async function held(holder: string): Promise<Held> {
  const { runs, turns } = CONCURRENT;
  let waiting = 0;
  let arrived = () => {};
  const all = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let holding = false;
  const model = instantModel(turns, (done) => {
    if (!holding || done < turns) return undefined;
    if (++waiting === runs) arrived();
    return released;
  });
  const files = scratch();
  const { once, close } = opened(holder, files.path('held.db'), model);
  await once();
  const before = await settled();
  holding = true;
  const running = Array.from({ length: runs }, once);
  await Promise.race([all, Promise.all(running)]);
  if (waiting !== runs) throw new Error(`${waiting} of ${runs} runs wait for their model`);
  const during = await settled();
  release();
  await Promise.all(running);
  await close();
  files.remove();
  return { heap: (during.heapUsed - before.heapUsed) / runs, rss: (during.rss - before.rss) / runs };
}

function opened(holder: string, path: string, model: ReturnType<typeof instantModel>): { once(): Promise<number>; close(): Promise<void> } {
  const { execute } = counted('1 KB');
  if (holder === 'bare') {
    const loop = bareLoop(model, execute);
    return { once: () => bareRun(loop), close: async () => undefined };
  }
  if (holder !== 'memory' && holder !== 'sqlite') throw new Error(`no holder is named ${holder}`);
  const engine = newEngine(holder === 'memory' ? memoryJournal() : sqliteJournal(path));
  const a = lookupAgent(model, 'read', execute);
  return { once: () => rondoRun(engine, a, { listen: false }), close: () => engine.close() };
}

/** Memory after a full collection. */
export async function settled(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (!globalThis.gc) throw new Error('needs --expose-gc');
    await globalThis.gc();
  }
  return process.memoryUsage();
}
