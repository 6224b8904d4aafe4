/**
 * npm run demo:crash: the job in a process that is killed at the worst moment, after the mail server has accepted the mail and before
 * the result is journalled. A second process resumes the run. There must be one mail, and a reported "unknown".
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Entry } from 'rondo';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { describeEntries } from '../kit/entries.ts';
import { entriesOf } from '../kit/runs.ts';
import { startSmtp } from '../kit/smtp.ts';
import { folder } from './desk.ts';

const say = (text = '') => process.stdout.write(`${text}\n`);
mkdirSync(folder(), { recursive: true });
const dir = mkdtempSync(join(folder(), 'demo-crash-'));
const outbox = join(dir, 'outbox');

/** The example's own command line, in a separate process. Its output is shown with the prefix `name`. */
function job(name: string, args: readonly string[]): ChildProcess {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const env = { ...process.env, RONDO_DIR: dir, SMTP_URL: `smtp://${smtp.host}:${smtp.port}`, RONDO_MODEL: '' };
  const child = spawn(process.execPath, [...process.execArgv, main, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  createInterface({ input: child.stdout }).on('line', (line) => say(`${name} | ${line}`.trimEnd()));
  return child;
}

let victim: ChildProcess | undefined;
const smtp = await startSmtp(outbox, () => {
  if (victim?.exitCode !== null || victim.signalCode !== null) return;
  // stopped first, so that it cannot process the "250 accepted" that the server is about to send
  if (process.platform !== 'win32') victim.kill('SIGSTOP');
  setTimeout(() => victim?.kill('SIGKILL'), process.platform === 'win32' ? 0 : 100);
});

say(`demo: kill a run at the worst moment. Files: ${dir}`);
say('the first process runs the job; it is killed when the mail server has taken the mail');
say();
victim = job('1st', ['--faults', 'none', '--approve']);
const [code, signal] = (await once(victim, 'close')) as [number | null, string | null];
if (signal !== 'SIGKILL') throw new Error(`the first process was to be killed, but ended with ${code ?? signal}`);

const run = await onlyRun();
const before = await journalOf(run);
say();
say(`KILLED. mails in the outbox: ${mails()}. The end of the journal:`);
for (const line of describeEntries(before, 110, before.length - 5)) say(`  ${line}`);
say('it holds the intent to send (call.started), and nothing about how that went');
say();
say(`the second process goes on: npm start -- resume ${run}`);
say();
await once(job('2nd', ['resume', run, '--faults', 'none']), 'close');

const after = await journalOf(run);
say();
say('what the journal says now of the mail, and what the agent made of it:');
for (const line of describeEntries(after, 110, before.length - 1)) say(`  ${line}`);
await smtp.close();

const finished = after.find((e) => e.type === 'call.finished' && e.error?.code === 'OUTCOME_UNKNOWN');
const told = after.some((e) => e.type === 'model.responded' && e.seq > (finished?.seq ?? Number.POSITIVE_INFINITY));
const completed = after.at(-1)?.type === 'run.settled';
say();
say(
  `${mails()} mail${mails() === 1 ? '' : 's'}, outcome ${finished ? 'unknown' : 'NOT recorded as unknown'}, agent ${told ? 'told' : 'NOT told'}`,
);
say("a `once` tool is never run again on a guess; engine.settle() takes an operator's word, and a tool with `check` finds out by itself");
process.exitCode = mails() === 1 && finished && told && completed ? 0 : 1;

function mails(): number {
  return readdirSync(outbox).filter((f) => f.endsWith('.eml')).length;
}

async function onlyRun(): Promise<string> {
  const journal = sqliteJournal(join(dir, 'runs.db'));
  const runs: string[] = [];
  for await (const { runId } of journal.heads({})) runs.push(runId);
  await journal.close?.();
  return runs[0] as string;
}

async function journalOf(id: string): Promise<Entry[]> {
  const journal = sqliteJournal(join(dir, 'runs.db'));
  const entries = await entriesOf(journal, id);
  await journal.close?.();
  return entries;
}
