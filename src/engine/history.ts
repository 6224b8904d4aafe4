import { RondoError } from '../errors.ts';
import { apply, closedMessages, emptyFold, type RunFold } from '../journal/fold.ts';
import type { Journal, RunHead } from '../journal/port.ts';
import { sessionBusy as busy, damaged } from '../journal/refuse.ts';
import { type Session, sessionKey } from '../journal/session.ts';
import type { Json } from '../json.ts';
import type { Message } from '../ports/model.ts';
import { messageOf } from '../reliability/classify.ts';
import { approvalsOf } from './results.ts';

/**
 * Runs of a session may continue for years, and a start must read few journals. So a run names the one before it, and every `CHAIN` runs the
 * newest messages are copied into the first entry of a run, at most `LIVE_BYTES` of JSON.
 */
const CHAIN = 8;
const LIVE_BYTES = 256 * 1024;

/** How the first entry of a run refers to the runs before it in its session: fields of `run.started`. */
export interface Continued {
  previous?: string;
  previousSeq?: number;
  depth?: number;
  history?: readonly Message[];
}

/**
 * Reads a run from its journal; undefined if there is none.
 * @param until the last sequence number to apply. @throws RondoError `JOURNAL_DAMAGED`, also if the entries contradict each other.
 */
export async function loadRun(journal: Journal, runId: string, until = Number.POSITIVE_INFINITY): Promise<RunFold | undefined> {
  let run: RunFold | undefined;
  for await (const entry of journal.read(runId)) {
    if (entry.seq > until) break;
    if (!run) {
      if (entry.type !== 'run.started') throw damaged(runId, entry.seq, 'it does not begin with its start');
      run = emptyFold(runId, entry.agent, await historyOf(journal, entry));
    }
    try {
      apply(run, entry);
    } catch (error) {
      throw RondoError.is(error, 'JOURNAL_DAMAGED') ? error : damaged(runId, entry.seq, messageOf(error));
    }
  }
  return run;
}

async function historyOf(journal: Journal, started: Continued): Promise<readonly Message[]> {
  if (started.history) return started.history;
  if (!started.previous) return [];
  const before = await loadRun(journal, started.previous, (started.previousSeq ?? Number.POSITIVE_INFINITY) - 1);
  // after forget() of that run its messages are gone here too
  return before ? closedMessages(before) : [];
}

/**
 * Finds the newest run of a session, so that the next one continues it: in the caller's own session, else in a shared one of that name.
 * @returns the fields for the new run's first entry, and its `messages`. @throws RondoError `SESSION_BUSY` if that run is still open.
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

/** The newest messages that fit. They start with a user message, because providers refuse a result without its call. */
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

/** @see busy. Includes the open approvals, so that the caller can decide them. */
export const sessionBusy = (run: RunFold) =>
  busy(sessionKey(run.started) as string, run.runId, JSON.parse(JSON.stringify(approvalsOf(run))) as Json[]);
