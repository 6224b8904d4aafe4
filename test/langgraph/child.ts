// A process of its own, which may be killed: `node child.ts TASK DATABASE NOTES ...`.
import { setTimeout as sleep } from 'node:timers/promises';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { journalSaver } from '../../src/adapters/langgraph/index.ts';
import type { Records } from '../../src/index.ts';
import { diamond, nested, notes, THREAD } from './world.ts';

const [task, path, file, ...rest] = process.argv.slice(2) as [string, string, string, ...string[]];
const note = notes(file).add;
const say = (value: unknown) => process.stdout.write(JSON.stringify(value));

const tasks: Record<string, () => Promise<void>> = {
  /** Gets the signal before or after the nth append. */
  async kill() {
    const [nth, when] = rest as [string, string];
    const journal = sqliteJournal(path);
    let appends = 0;
    const die = () => process.kill(process.pid, 'SIGKILL');
    const records = journal.records as Records;
    const { append } = records;
    records.append = async (...args) => {
      const last = ++appends === Number(nth);
      if (last && when === 'before') die();
      const held = await append(...args);
      if (last) die();
      return held;
    };
    await diamond(journalSaver(journal), note).invoke({ log: [] }, { ...THREAD, durability: 'sync' });
  },

  /** Writes to one thread together with another process. */
  async write() {
    const [name, count] = rest as [string, string];
    const journal = sqliteJournal(path);
    const saver = journalSaver(journal);
    let config: Parameters<typeof saver.put>[0] = THREAD;
    for (let n = 0; n < Number(count); n++) {
      // waits for the other one, so that they do meet
      if (n % 5 === 0)
        for (
          note(`${n}`);
          notes(file)
            .read()
            .filter((line) => line === `${n}`).length < 2;
        )
          await sleep(1);
      const id = `${String(n).padStart(4, '0')}-${name}`;
      const log = Array.from({ length: n + 1 }, (_, i) => `${name} ${i} ${'x'.repeat(100)}`);
      config = await saver.put(
        config,
        { v: 4, id, ts: '', channel_values: { log }, channel_versions: { log: `${n + 1}.${name}` }, versions_seen: {} },
        { source: 'loop', step: n, parents: {} },
        { log: `${n + 1}.${name}` },
      );
      await saver.putWrites(config, [['log', `${name} ${n}`]], `task-${name}`);
    }
    await journal.close?.();
  },

  /** Leaves a run of ours waiting for people. */
  async run() {
    const { engine, boss } = nested(path, note);
    say(await engine.run(boss, 'go', { id: 'r' }));
    await engine.close();
  },

  /** Leaves a graph of theirs waiting for people. */
  async graph() {
    const { engine, outer } = nested(path, note);
    say(await outer.invoke({ messages: [{ role: 'user', content: 'go' }] }, THREAD));
    await engine.close();
  },
};

await tasks[task]?.();
