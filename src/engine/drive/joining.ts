/**
 * How a run takes its place in its session. Other runs may begin and end while its tools are listed, and between a look at the session and its
 * own first entry. Once that entry is in the journal, none of them can.
 */
import type { Draft } from '../../journal/entries/entries.ts';
import { inherit, type RunFold } from '../../journal/fold/fold.ts';
import type { Journal } from '../../journal/port.ts';
import type { Session } from '../../journal/session.ts';
import { isSameJson, type Json } from '../../json.ts';
import { type Continued, continueRun, continueSession, type Found, newestBefore } from './history.ts';

export interface Joining {
  /** `new`: the run has no entry yet. `queued`: its first claim begins it. `again`: a process died before the run had its place for certain. */
  how: 'new' | 'queued' | 'again';
  session: Session;
}

interface Joins extends Joining {
  journal: Journal;
  run: RunFold;
  /** The first entries of the drive. */
  opening: (continued: Continued) => readonly Draft[];
  append: (make: () => readonly Draft[]) => Promise<void>;
}

/** Begins a run in its session, after the run that began last. @throws RondoError `SESSION_BUSY`, or an error of `append`. */
export async function join({ journal, run, how, session, opening, append }: Joins): Promise<void> {
  const found = how === 'new' ? await continueSession(journal, session) : await continueRun(journal, run, how === 'again');
  const known = how === 'again' && continuesSame(run, found);
  if (!known) inherit(run, found.messages);
  await append(() => opening(known ? {} : found.continued));
  if (how === 'again') return;
  const newest = await newestBefore(journal, run, true);
  if (newest?.runId === found.newest?.runId && newest?.seq === found.newest?.seq && newest?.status === found.newest?.status) return;
  const now = await continueRun(journal, run, true);
  if (continuesSame(run, now)) return;
  inherit(run, now.messages);
  const { owner = '', fingerprint } = run;
  await append(() => [{ type: 'run.claimed', owner, epoch: run.epoch + 1, fingerprint, ...now.continued }]);
}

function continuesSame({ root, started }: RunFold, { continued, messages }: Found): boolean {
  if (continued.previous !== started.previous || messages.length !== root.inherited) return false;
  return isSameJson(messages as unknown as Json, root.messages.slice(0, root.inherited) as unknown as Json);
}
