/** Shared by both examples: list the runs of a journal, show one, find one by the start of its id. */
import type { Entry, Journal } from 'rondo';
import { describeEntries } from './entries.ts';
import { safe } from './safe.ts';
import type { Screen } from './screen.ts';
import { UsageError } from './usage.ts';

export async function entriesOf(journal: Journal, run: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of journal.read(run)) entries.push(entry);
  return entries;
}

/**
 * The run of an id, or of the start of one.
 * @throws UsageError if there is none, or more than one.
 */
export async function findRun(journal: Journal, start: string, list: string): Promise<string> {
  const found: string[] = [];
  for await (const { runId } of journal.heads({})) {
    if (runId === start) return runId;
    if (runId.startsWith(start)) found.push(runId);
  }
  if (found.length === 1) return found[0] as string;
  throw new UsageError(
    found.length
      ? `"${start}" is the beginning of ${found.length} runs: ${found.join(', ')}.`
      : `There is no run "${start}". ${list} lists them.`,
  );
}

/** @param command makes a command to copy. */
export async function listRuns(screen: Screen, journal: Journal, file: string, command: (args: string) => string): Promise<void> {
  let none = true;
  for await (const { runId, status, startedAt, agent, unknowns, leaseUntil = 0 } of journal.heads({})) {
    none = false;
    const waits = status === 'paused' || (status === 'running' && leaseUntil <= Date.now());
    const more = unknowns ? `  ${unknowns} outcome unknown` : waits ? `  ${command(`resume ${runId}`)}` : '';
    screen.line(
      `${runId}  ${new Date(startedAt).toISOString().slice(0, 19).replace('T', ' ')}  ${status.padEnd(9)}  ${safe(agent)}${more}`,
    );
  }
  if (none) screen.line(`no runs in ${safe(file)} yet: ${command('').replace(/ -- $/, '')}`);
}

export async function showRun(screen: Screen, journal: Journal, start: string, list: string, width: number): Promise<void> {
  const run = await findRun(journal, start, list);
  for (const line of describeEntries(await entriesOf(journal, run), width)) screen.line(line);
}
