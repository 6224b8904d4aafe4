import { RondoError } from '../../errors.ts';
import { type Entry, type EntryOf, FOREIGN } from '../../journal/entries/entries.ts';
import { sessionBusy as busy, damaged } from '../../journal/errors.ts';
import { apply, closedMessages, emptyFold, type RunFold, withPrevious } from '../../journal/fold/fold.ts';
import { isAside, placeOf } from '../../journal/head.ts';
import type { Journal, RunHead } from '../../journal/port.ts';
import { isSealed, keysMissing } from '../../journal/sealed.ts';
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
  after?: number;
}

/**
 * Reads a run from its journal; undefined if there is none.
 * @param until the last sequence number to apply. @throws RondoError `JOURNAL_DAMAGED`, also if the entries contradict each other.
 */
export async function loadRun(journal: Journal, runId: string, until = Number.POSITIVE_INFINITY): Promise<RunFold | undefined> {
  let run: RunFold | undefined;
  const first: Entry[] = [];
  const begin = async (): Promise<RunFold> => {
    const started = startIn(runId, first);
    const fold = emptyFold(runId, started.agent, await historyOf(journal, started));
    for (const entry of first) orDamaged(runId, entry, () => apply(fold, entry));
    return fold;
  };
  for await (const entry of journal.read(runId)) {
    if (entry.seq > until) break;
    const fold = run;
    if (fold) orDamaged(runId, entry, () => apply(fold, entry));
    else if (first.push(entry) && tellsStart(first)) run = await begin();
  }
  return run ?? (first.length > 0 ? begin() : undefined);
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
  if (isSealed(entry)) throw keysMissing();
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

/** The first entry of a run, with what its first claim adds to it; undefined for an unknown run. */
export async function startOf(journal: Journal, runId: string): Promise<Started | undefined> {
  const first: Entry[] = [];
  for await (const entry of journal.read(runId)) if (first.push(entry) && tellsStart(first)) break;
  return first[0]?.type === 'run.started' ? startIn(runId, first) : undefined;
}

/** Whether these first entries of a run say which run is before it in its session: that of a queued run is known when it is claimed. */
function tellsStart(first: readonly Entry[]): boolean {
  const [started, ...more] = first;
  return started?.type !== 'run.started' || started.session === undefined || more.some(({ type }) => !FOREIGN.has(type));
}

function startIn(runId: string, first: readonly Entry[]): Started {
  const started = assertStart(runId, first[0] as Entry);
  const claim = first.at(-1) as Entry;
  return claim.type === 'run.claimed' ? withPrevious(started, claim) : started;
}

async function historyOf(journal: Journal, started: Continued): Promise<readonly Message[]> {
  if (started.history) return started.history;
  if (!started.previous) return [];
  const before = await loadRun(journal, started.previous, (started.previousSeq ?? Number.POSITIVE_INFINITY) - 1);
  // after forget() of that run its messages are gone here too
  return before ? closedMessages(before) : [];
}

/** What a run continues. */
export interface Found {
  messages: readonly Message[];
  /** The fields for its first entry, or for the claim that begins it. */
  continued: Continued;
  /** The newest run of the session that has begun, ended as it may have. Undefined: there is none. */
  newest: RunHead | undefined;
}

const NOTHING: Found = { messages: [], continued: {}, newest: undefined };

/** The run that looks for the one before it. `begun`: it has its session already. */
interface Self {
  runId: string;
  begun: boolean;
}

/**
 * The session that a new run joins: the caller's own one, else a shared one of that name.
 * @throws RondoError `SESSION_BUSY` if a run of it is open, or is queued and comes first. Nothing is opened for a run that cannot begin.
 */
export async function sessionOf(journal: Journal, session: Session): Promise<{ shared?: true }> {
  const { newest, ...own } = await joined(journal, session);
  if (newest && looksOpen(newest)) await continueSession(journal, { ...session, ...own });
  return own;
}

/** @throws RondoError `SESSION_BUSY` if another run of the session comes before a queued one. */
export async function assertTurn(journal: Journal, run: RunFold): Promise<void> {
  const { session } = run.started;
  const newest = session === undefined ? undefined : await newestBefore(journal, run, false);
  if (newest && looksOpen(newest)) await continueRun(journal, run, false);
}

/** Whether it may have its session, or comes first. Its journal decides. */
const looksOpen = ({ status, aside, doubtful }: RunHead) =>
  doubtful === true || status === 'queued' || ((status === 'running' || status === 'paused') && !aside);

/** What the next run of a session continues. @throws RondoError `SESSION_BUSY`, as `sessionOf`. */
export async function continueSession(journal: Journal, session: Session): Promise<Found> {
  return before(journal, sessionKey(session) as string, session.by?.tenant);
}

/** The place of a run that is enqueued: behind all runs of the session that it joins. */
export async function queuedIn(journal: Journal, session: Session): Promise<{ shared?: true; after?: number }> {
  const { shared, newest } = await joined(journal, session);
  const late = newest && !newest.doubtful && newest.startedAt >= Date.now();
  return { ...(shared && { shared }), ...(late && { after: newest.startedAt }) };
}

async function joined(journal: Journal, { session, by, shared }: Session): Promise<{ shared?: true; newest: RunHead | undefined }> {
  const at = async (all: boolean) => {
    for await (const head of ofSession(journal, sessionKey({ session, by, shared: all }) as string, by?.tenant)) return head;
    return undefined;
  };
  const own = shared && by ? undefined : await at(false);
  const head = own ?? (by && (await at(true)));
  const all = by !== undefined && (shared === true || (head !== undefined && !own));
  return { ...(all && { shared: true }), newest: head };
}

/**
 * What a run of a session continues: the newest run that has begun. A queued run waits for those that were enqueued before it.
 * @param begun the run itself has begun, so that no other one can. @throws RondoError `SESSION_BUSY` if it is not its turn.
 */
export async function continueRun(journal: Journal, { runId, started }: RunFold, begun: boolean): Promise<Found> {
  const key = sessionKey(started);
  return key === undefined ? NOTHING : before(journal, key, started.by?.tenant, { runId, begun });
}

/** The newest run of the session besides this one: that has begun, or that was enqueued before it. */
export async function newestBefore(journal: Journal, { runId, started }: RunFold, begun: boolean): Promise<RunHead | undefined> {
  for await (const { head } of others(journal, sessionKey(started) as string, started.by?.tenant, { runId, begun })) return head;
  return undefined;
}

/** The other runs of a session, newest first, but for queued ones that come after this one. `older`: it is listed behind this one. */
async function* others(
  journal: Journal,
  session: string,
  tenant: string | undefined,
  self: Self | undefined,
): AsyncGenerator<{ head: RunHead; older: boolean }, void, undefined> {
  let older = false;
  for await (const head of ofSession(journal, session, tenant)) {
    if (head.runId === self?.runId) older = true;
    else if (!(head.status === 'queued' && self && (self.begun || !older))) yield { head, older };
  }
}

async function before(journal: Journal, session: string, tenant: string | undefined, self?: Self): Promise<Found> {
  let newest: RunHead | undefined;
  let after: number | undefined;
  for await (const { head, older } of others(journal, session, tenant, self)) {
    newest ??= head;
    const run = await loadRun(journal, head.runId);
    if (!run && head.doubtful) throw damaged(head.runId, 0, 'what is listed of it is not what was written');
    if (!run) return { ...NOTHING, newest };
    const { status, started, epoch, next } = run;
    const isOpen = status === 'queued' || ((status === 'running' || status === 'paused') && !isAside(run));
    if (isOpen && !self?.begun) throw await sessionBusy(journal, run);
    // a clock was wrong, or a run began beside one that was enqueued: whatever the clocks say, this one comes after it
    if (self ? !older : placeOf(started) >= Date.now()) after ??= placeOf(started);
    // it was cancelled before it began, so it never had the session's conversation
    if (started.queued && epoch === 0) continue;
    const messages = closedMessages(run);
    const depth = (started.depth ?? 0) + 1;
    const previous = { previous: head.runId, previousSeq: next, ...(after !== undefined && { after }) };
    if (depth < CHAIN) return { messages, continued: { ...previous, depth }, newest };
    const history = newestBytes(messages, LIVE_BYTES);
    return { messages: history, continued: { ...previous, depth: 0, history }, newest };
  }
  return { ...NOTHING, newest };
}

/** Heads of a session read at a time: mostly the first one is enough, and a queue is not long. */
const PAGES = [2, 20, 100] as const;

/** The heads of a session, newest first. */
async function* ofSession(journal: Journal, session: string, tenant: string | undefined): AsyncGenerator<RunHead, void, undefined> {
  let after: RunHead | undefined;
  for (let pages = 0; ; pages++) {
    const limit = PAGES[Math.min(pages, PAGES.length - 1)] as number;
    const heads: RunHead[] = [];
    for await (const head of journal.heads({ session, limit, after, ...(tenant !== undefined && { tenant }) })) heads.push(head);
    for (const head of heads) if (head.tenant === tenant) yield head;
    if (heads.length < limit) return;
    after = heads.at(-1);
  }
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
export async function sessionBusy(journal: Journal, run: RunFold): Promise<RondoError<'SESSION_BUSY'>> {
  const approvals = approvalsOf(run, (await journal.now?.()) ?? Date.now());
  return busy(sessionKey(run.started) as string, run.runId, JSON.parse(JSON.stringify(approvals)) as Json[]);
}
