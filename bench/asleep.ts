/** Runs that sleep in a SQLite file, and a process that works beside them: its memory, and how soon it drives those that are due. */
import { sqliteJournal } from '../src/adapters/journal/sqlite.ts';
import { type Agent, agent, Engine, type Entry, type Model, type RunHead, waitTool } from '../src/index.ts';
import { settled } from './held.ts';

/** What a process with `engine.work()` takes. */
export interface Asleep {
  /** Bytes of the heap, and of the process, once the loop has looked for what is due. */
  heap: number;
  rss: number;
  /** Milliseconds from due to driven, of each run that woke. */
  late: number[];
}

/** Sleeps for seconds, and is woken apart from the others. */
async function wake(engine: Engine, waiter: Agent, i: number, woke: ReadonlyMap<string, number>): Promise<number> {
  await after(i * APART);
  const question = `${SHORT} ${i}`;
  const run = await engine.run(waiter, question);
  if (run.status !== 'paused') throw new Error(`a run that was to sleep is ${run.status}`);
  while (!woke.has(question)) await after(10);
  return (woke.get(question) as number) - (run.waiting[0]?.until as number);
}

/** Runs that wake while the process is measured. */
const WOKEN = 40;
/** Seconds that they sleep, and milliseconds from one to the next. */
const SHORT = 3;
const APART = 50;
const LONG = 30 * 86_400;
/** Copies that are written in one transaction. */
const TOGETHER = 1_000;
/** Milliseconds in which the loop looks several times for what is due. */
const LOOKS = 3_500;

const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sleeps as many seconds as the question begins with, and tells when it is asked again. */
function sleeper(awake: (question: string) => void): Agent {
  const model: Model = {
    provider: 'bench',
    id: 'sleeper',
    async generate({ messages: [question, ...more] }) {
      const [part] = question?.content ?? [];
      const text = part?.type === 'text' ? part.text : '';
      if (more.length === 0)
        return { content: [{ type: 'toolCall', id: 'call', name: 'wait', input: { seconds: Number.parseInt(text, 10) } }], stop: 'tools' };
      awake(text);
      return { content: [{ type: 'text', text: 'Awake.' }], stop: 'end' };
    },
  };
  return agent({ name: 'sleeper', instructions: 'Wait, then go on.', model, tools: [waitTool({ longest: LONG * 1_000 })] });
}

/** Fills a new file with runs that sleep for a month: one that an engine wrote, and copies of it. */
export async function putToSleep(path: string, runs: number): Promise<void> {
  const journal = sqliteJournal(path);
  const engine = new Engine({ journal });
  const asleep = sleeper(() => {});
  const { runId, status } = await engine.run(asleep, String(LONG - 1));
  if (status !== 'paused') throw new Error(`a run that was to sleep is ${status}`);
  const entries: Entry[] = [];
  for await (const entry of journal.read(runId)) entries.push(entry);
  let head: RunHead | undefined;
  for await (const found of journal.heads({ runId })) head = found;
  if (!head) throw new Error('the run that sleeps has no head');
  const copied = head;
  for (let made = 1; made < runs; made += TOGETHER)
    await Promise.all(
      Array.from({ length: Math.min(TOGETHER, runs - made) }, (_, i) => {
        const id = `${runId}-${made + i}`;
        return journal.append(id, 0, entries, { ...copied, runId: id });
      }),
    );
  const copy = await engine.resume(`${runId}-${runs - 1}`, { agent: asleep });
  if (copy.status !== 'paused') throw new Error(`the copy of a run that sleeps is ${copy.status}`);
  await engine.close();
}

/** @param path of a file with runs that sleep, or of none. */
export async function asleep(path: string): Promise<Asleep> {
  const woke = new Map<string, number>();
  const waiter = sleeper((question) => woke.set(question, Date.now()));
  const engine = new Engine({ journal: sqliteJournal(path), agents: [waiter] });
  const work = engine.work();
  await work.idle();
  await after(LOOKS);
  const { heapUsed: heap, rss } = await settled();
  const late = await Promise.all(Array.from({ length: WOKEN }, (_, i) => wake(engine, waiter, i, woke)));
  await engine.close();
  return { heap, rss, late };
}
