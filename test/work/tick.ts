/** A process that serves the schedules of a file once, at a time. With `dies`, it ends between the start of a run and the next time. */
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { agent, Engine, type Journal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

const { path, now, dies } = JSON.parse(process.argv[2] as string) as { path: string; now: number; dies?: boolean };
const inner = sqliteJournal(path);
const { records } = inner;
if (!records) throw new Error('no records');
const journal: Journal = new Proxy(inner, {
  get(target, name) {
    if (name === 'now') return () => now;
    if (name === 'records' && dies)
      return new Proxy(records, {
        get: (of, key) => (key === 'append' ? () => process.exit(9) : bound(of, key)),
      });
    return bound(target, name);
  },
});

function bound<T extends object>(target: T, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === 'function' ? value.bind(target) : value;
}

const engine = new Engine({ journal, agents: [agent({ name: 'echo', instructions: '', model: scripted(() => 'done') })] });
const work = engine.work();
process.stdout.write('ready\n');
await work.idle();
process.stdout.write(`${JSON.stringify(work.state())}\n`);
await engine.close();
