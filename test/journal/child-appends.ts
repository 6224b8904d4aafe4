// One of several processes that append to the same runs as fast as they can, each entry with its writer's name and a count.
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { RondoError } from '../../src/errors.ts';
import { entry, head } from '../../src/testing/journal/kit.ts';

const [path, name, count, ...runs] = process.argv.slice(2) as [string, string, string, ...string[]];
const journal = sqliteJournal(path);
let conflicts = 0;

// waits for the other one, so that they do meet
await journal.append(name, 0, [entry(0)], head(name, { agent: 'ready' }));
for (let ready = 0; ready < 2; ) {
  ready = 0;
  for await (const _ of journal.heads({ agent: 'ready' })) ready++;
  await new Promise((resolve) => setImmediate(resolve));
}

async function write(runId: string): Promise<void> {
  let next = 0;
  for (let n = 0; n < Number(count); ) {
    try {
      // two entries to an append now and then
      const made = n % 5 === 0 ? [entry(next, `${name} ${n}`), entry(next + 1, `${name} and`)] : [entry(next, `${name} ${n}`)];
      await journal.append(runId, next, made, head(runId, { owner: n % 10 === 0 ? name : 'none' }));
      next += made.length;
      n++;
    } catch (error) {
      if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
      conflicts++;
      for await (const { seq } of journal.read(runId, next - 1)) next = seq + 1;
    }
    // lets the other one have a go
    if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

await Promise.all(runs.map(write));
await journal.close?.();
process.stdout.write(JSON.stringify({ conflicts }));
