import { RondoError } from '../errors.ts';
import { apply, closedMessages, emptyFold, type RunFold } from '../journal/fold.ts';
import type { Journal, RunHead } from '../journal/port.ts';
import { type Session, sessionKey } from '../journal/session.ts';
import type { Message } from '../ports/model.ts';
import { messageOf } from '../reliability/classify.ts';
import { approvalsOf } from './results.ts';

/**
 * Sessions. A run continues the conversation of the run before it, by naming it. Every few runs the live context is written
 * out into the new run's first entry, so that a start reads a bounded number of journals, however long the session.
 */
const CHAIN = 8;
/** What is written out: the newest messages of so many bytes of JSON. */
const LIVE_BYTES = 256 * 1024;

/** What the first entry of a run of a session says of the runs before it. */
export interface Continued {
  previous?: string;
  previousSeq?: number;
  depth?: number;
  history?: readonly Message[];
}

/** A run as its journal tells it; undefined where there is none. `until`: the last sequence number taken. */
export async function loadRun(journal: Journal, runId: string, until = Number.POSITIVE_INFINITY): Promise<RunFold | undefined> {
  let run: RunFold | undefined;
  for await (const entry of journal.read(runId)) {
    if (entry.seq > until) break;
    if (!run) {
      // a journal may hold what adapters keep in it
      if ('saver' in entry) return undefined;
      if (entry.type !== 'run.started') throw damaged(runId, entry.seq, 'it does not begin with its start');
      run = emptyFold(runId, entry.agent, await historyOf(journal, entry));
    }
    try {
      apply(run, entry);
    } catch (error) {
      throw damaged(runId, entry.seq, messageOf(error));
    }
  }
  return run;
}

export const damaged = (runId: string, seq: number, why: string) =>
  new RondoError(
    'JOURNAL_DAMAGED',
    `the journal of run ${runId} is damaged at entry ${seq}: ${why.replace(`. ${RESTORE}`, '')}. ${RESTORE}`,
    {
      details: { runId, seq },
    },
  );

const RESTORE = 'Restore it from a backup.';

async function historyOf(journal: Journal, started: Continued): Promise<readonly Message[]> {
  if (started.history) return started.history;
  if (!started.previous) return [];
  const before = await loadRun(journal, started.previous, (started.previousSeq ?? Number.POSITIVE_INFINITY) - 1);
  // a run that was forgotten is forgotten here too
  return before ? closedMessages(before) : [];
}

/**
 * The newest run of a session, if any: of the caller's own, else of one that was begun as shared.
 * @throws RondoError `SESSION_BUSY` where it is still open.
 */
export async function continueSession(
  journal: Journal,
  { session, by, shared }: Session,
): Promise<Continued & { messages: readonly Message[]; shared?: true }> {
  const at = (all: boolean) => newest(journal, sessionKey({ session, by, shared: all }) as string, by?.tenant);
  const own = shared && by ? undefined : await at(false);
  const head = own ?? (by && (await at(true)));
  const { messages, ...continued } = await after(journal, head);
  return { messages, ...continued, ...(by && (shared || (head && !own)) && { shared: true }) };
}

async function after(journal: Journal, head: RunHead | undefined): Promise<Continued & { messages: readonly Message[] }> {
  if (!head) return { messages: [] };
  const before = await loadRun(journal, head.runId);
  if (!before && head.doubtful) throw damaged(head.runId, 0, 'what is listed of it is not what was written');
  if (!before) return { messages: [] };
  if (before.status === 'running' || before.status === 'paused') throw sessionBusy(before);
  const messages = closedMessages(before);
  const depth = (before.started.depth ?? 0) + 1;
  const previous = { previous: head.runId, previousSeq: before.next };
  if (depth < CHAIN) return { ...previous, depth, messages };
  const history = newestBytes(messages, LIVE_BYTES);
  return { ...previous, depth: 0, history, messages: history };
}

async function newest(journal: Journal, session: string, tenant: string | undefined): Promise<RunHead | undefined> {
  for await (const head of journal.heads(tenant === undefined ? { session } : { session, tenant, limit: 1 }))
    if (head.tenant === tenant) return head;
  return undefined;
}

/** The newest messages that fit, from one of the user's on: a result without its call would be refused by every provider. */
function newestBytes(messages: readonly Message[], max: number): readonly Message[] {
  let from = messages.length;
  let bytes = 0;
  for (let i = messages.length - 1; i >= 0; i--) {
    bytes += Buffer.byteLength(JSON.stringify(messages[i]));
    if (bytes > max) break;
    if ((messages[i] as Message).role === 'user') from = i;
  }
  return messages.slice(from);
}

export function sessionBusy(run: RunFold): RondoError {
  const approvals = approvalsOf(run);
  const waits =
    approvals.length > 0 ? `waits for ${approvals.length} approval(s): decide and resume it` : 'is still running: watch it, or cancel it';
  return new RondoError('SESSION_BUSY', `session "${run.started.session}" has the open run ${run.runId}, which ${waits}.`, {
    details: { runId: run.runId, approvals: JSON.parse(JSON.stringify(approvals)) },
  });
}
