import { RondoError } from '../../errors.ts';
import type { Entry, EntryOf } from '../../journal/entries/entries.ts';
import { sessionBusy as busy, damaged } from '../../journal/errors.ts';
import { apply, closedMessages, emptyFold, type RunFold, withPrevious } from '../../journal/fold/fold.ts';
import { isAside } from '../../journal/head.ts';
import type { HeadCursor, Journal, RunHead } from '../../journal/port.ts';
import { type Session, sessionKey } from '../../journal/session.ts';
import type { Json } from '../../json.ts';
import type { Message } from '../../ports/model.ts';
import { messageOf } from '../../reliability/classify.ts';
import { approvalsOf } from '../read/results.ts';

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
      const started = assertStart(runId, entry);
      const begun = started.queued ? await begunAt(journal, runId, started, until) : started;
      run = emptyFold(runId, started.agent, await historyOf(journal, begun));
    }
    const fold = run;
    orDamaged(runId, entry, () => apply(fold, entry));
  }
  return run;
}

/**
 * Reads what a run did, without the conversation that it continues: no other journal is read.
 * @param before called with each entry before it is applied. @throws RondoError `JOURNAL_DAMAGED`, as `loadRun`.
 */
export async function followRun(
  journal: Journal,
  runId: string,
  before: (run: RunFold, entry: Entry) => void,
): Promise<RunFold | undefined> {
  let run: RunFold | undefined;
  for await (const entry of journal.read(runId)) {
    const fold = run ?? emptyFold(runId, assertStart(runId, entry).agent);
    run = fold;
    orDamaged(runId, entry, () => {
      before(fold, entry);
      apply(fold, entry);
    });
  }
  return run;
}

function assertStart(runId: string, entry: Entry): Started {
  if (entry.type === 'run.started') return entry;
  throw damaged(runId, entry.seq, 'it does not begin with its start');
}

/** Takes an entry of a run. @throws RondoError `JOURNAL_DAMAGED`, also if it contradicts the entries before it. */
export function orDamaged<T>(runId: string, { seq }: Entry, take: () => T): T {
  try {
    return take();
  } catch (error) {
    throw RondoError.is(error, 'JOURNAL_DAMAGED') ? error : damaged(runId, seq, messageOf(error));
  }
}

/** Whether an error is about the journal of one run. Lists of runs leave that run out. */
export const isUnreadable = (error: unknown): boolean => RondoError.is(error, 'JOURNAL_DAMAGED') || RondoError.is(error, 'JOURNAL_VERSION');

type Started = EntryOf<'run.started'>;

/** The first entry of a run, with what the first claim of a queued run adds to it; undefined for an unknown run. */
export async function startOf(journal: Journal, runId: string): Promise<Started | undefined> {
  for await (const entry of journal.read(runId)) {
    if (entry.type !== 'run.started') return undefined;
    return entry.queued ? begunAt(journal, runId, entry) : entry;
  }
  return undefined;
}

/** The first entry of a queued run, with the fields that its first claim adds. @param until the last sequence number to read. */
async function begunAt(journal: Journal, runId: string, started: Started, until = Number.POSITIVE_INFINITY): Promise<Started> {
  for await (const entry of journal.read(runId, 0)) {
    if (entry.seq > until) break;
    if (entry.type === 'run.claimed') return withPrevious(started, entry);
  }
  return started;
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
 * @returns the fields for the new run's first entry, and its `messages`.
 * @throws RondoError `SESSION_BUSY` if a run of it is open, or is queued and comes first.
 */
export async function continueSession(
  journal: Journal,
  session: Session,
): Promise<Continued & { messages: readonly Message[]; shared?: true }> {
  const { all, newest } = await joined(journal, session);
  const { messages, ...continued } = newest
    ? await after(journal, sessionKey({ ...session, shared: all }) as string, session.by?.tenant)
    : NOTHING;
  return { messages, ...continued, ...(all && { shared: true }) };
}

/** Whether a new run joins the session that the tenant shares, rather than the user's own. */
export const joinsShared = async (journal: Journal, session: Session): Promise<boolean> => (await joined(journal, session)).all;

async function joined(journal: Journal, { session, by, shared }: Session): Promise<{ all: boolean; newest: RunHead | undefined }> {
  const at = (all: boolean) => newest(journal, sessionKey({ session, by, shared: all }) as string, by?.tenant);
  const own = shared && by ? undefined : await at(false);
  const head = own ?? (by && (await at(true)));
  return { all: by !== undefined && (shared === true || (head !== undefined && !own)), newest: head };
}

/**
 * What a queued run continues when it begins: the newest run of its session that was enqueued or started before it.
 * @throws RondoError `SESSION_BUSY` if that one has not ended.
 */
export async function continueQueued(journal: Journal, { runId, started }: RunFold): Promise<Continued & { messages: readonly Message[] }> {
  const key = sessionKey(started);
  return key === undefined ? NOTHING : after(journal, key, started.by?.tenant, { runId, startedAt: started.at });
}

const NOTHING = { messages: [] };

/** @param cursor only runs before this one count. */
async function after(
  journal: Journal,
  session: string,
  tenant: string | undefined,
  cursor?: HeadCursor,
): Promise<Continued & { messages: readonly Message[] }> {
  for await (const head of ofSession(journal, session, tenant, cursor)) {
    const before = await loadRun(journal, head.runId);
    if (!before && head.doubtful) throw damaged(head.runId, 0, 'what is listed of it is not what was written');
    if (!before) return NOTHING;
    const { status, started, epoch, next } = before;
    if (status === 'queued' || ((status === 'running' || status === 'paused') && !isAside(before))) throw sessionBusy(before);
    // it was cancelled before it began, so it never had the session's conversation
    if (started.queued && epoch === 0) continue;
    const messages = closedMessages(before);
    const depth = (started.depth ?? 0) + 1;
    const previous = { previous: head.runId, previousSeq: next };
    if (depth < CHAIN) return { ...previous, depth, messages };
    const history = newestBytes(messages, LIVE_BYTES);
    return { ...previous, depth: 0, history, messages: history };
  }
  return NOTHING;
}

/** The heads of a session, newest first, one at a time. */
async function* ofSession(
  journal: Journal,
  session: string,
  tenant: string | undefined,
  cursor?: HeadCursor,
): AsyncGenerator<RunHead, void, undefined> {
  for (let last = cursor; ; ) {
    let next: RunHead | undefined;
    for await (const head of journal.heads(tenant === undefined ? { session, after: last } : { session, tenant, limit: 1, after: last })) {
      if (head.tenant !== tenant) continue;
      next = head;
      break;
    }
    if (!next) return;
    yield next;
    last = next;
  }
}

async function newest(journal: Journal, session: string, tenant: string | undefined): Promise<RunHead | undefined> {
  for await (const head of ofSession(journal, session, tenant)) return head;
  return undefined;
}

/**
 * The newest messages that fit, and the summary of older ones. They start with a user message, because providers refuse a result without its
 * call.
 */
function newestBytes(messages: readonly Message[], max: number): readonly Message[] {
  const summary = messages.findLast((message) => message.summary);
  let from = messages.length;
  let bytes = summary ? Buffer.byteLength(JSON.stringify(summary)) : 0;
  for (let i = messages.length - 1; i >= 0; i--) {
    bytes += Buffer.byteLength(JSON.stringify(messages[i]));
    if (bytes > max) break;
    if ((messages[i] as Message).role === 'user') from = i;
  }
  const newest = messages.slice(from);
  return summary && !newest.includes(summary) ? [summary, ...newest] : newest;
}

/** @see busy. Includes the open approvals, so that the caller can decide them. */
export const sessionBusy = (run: RunFold) =>
  busy(sessionKey(run.started) as string, run.runId, JSON.parse(JSON.stringify(approvalsOf(run))) as Json[]);
