/** A process that serves the schedules of a file once, at a time. With `dies`, it ends before or after the append that starts a run. */
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { agent, Engine, type Journal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

const { path, now, dies } = JSON.parse(process.argv[2] as string) as { path: string; now: number; dies?: 'before' | 'after' };
const inner = sqliteJournal(path);
const append: Journal['append'] = async (...args) => {
  const starts = args[4]?.record !== undefined;
  if (dies === 'before' && starts) process.exit(9);
  await inner.append(...args);
  if (dies === 'after' && starts) process.exit(9);
};
const journal: Journal = new Proxy(inner, {
  get(target, name) {
    if (name === 'now') return () => now;
    if (name === 'append') return append;
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
