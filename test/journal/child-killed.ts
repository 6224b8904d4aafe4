// Appends 40 entries to a run, of which 30 are synced, says so, and waits to be killed.
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { entry, head } from '../../src/testing/journal/kit.ts';

const journal = sqliteJournal(process.argv[2] as string);
for (let seq = 0; seq < 40; seq++) await journal.append('r', seq, [entry(seq)], head('r'), { sync: seq < 30 ? 'power' : 'process' });
// as the heartbeat does
for await (const _ of journal.read('r', 39));
process.stdout.write('ready');
setInterval(() => undefined, 1_000);
