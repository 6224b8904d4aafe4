/** A process that begins a run, says so, and waits to be killed in the middle of a tool. */
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { Engine } from '../../src/index.ts';
import { looker } from './looker.ts';

const { journal, runId } = JSON.parse(process.argv[2] ?? '{}') as { journal: string; runId: string };
const slow = looker(() => {
  process.stdout.write('hangs\n');
  return new Promise<string>(() => setInterval(() => undefined, 1_000));
});
const engine = new Engine({ journal: sqliteJournal(journal), agents: [slow] });
await engine.run(slow, 'go', { id: runId, by: { id: 'anonymous' } });
