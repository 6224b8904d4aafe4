/** Finds runs by what happened in them. */

import { invalid, type Outcome } from '../../errors.ts';
import type { CallId, Entry } from '../../journal/entries/entries.ts';
import { promptParts } from '../../journal/fold/conversation.ts';
import type { HeadCursor, RunHead } from '../../journal/port.ts';
import type { Json } from '../../json.ts';
import type { Message, Part } from '../../ports/model.ts';
import type { Principal } from '../../ports/principal.ts';
import { isName } from '../../ports/principal.ts';
import { aboutHead } from '../about.ts';
import { hasAccess } from '../access.ts';
import { isUnreadable } from '../drive/history.ts';
import type { RunSummary } from '../options.ts';
import { checkList, LIST, type ListOptions, wrongField } from '../read/list-options.ts';
import { summaryOf } from '../read/listing.ts';
import { headsOfSession, sees } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { taken } from './trace.ts';
import type { TraceRecord } from './trace-record.ts';
import { Tracer } from './tracer.ts';

/** Which runs to find. A match is one thing that happened and fits every given one of `tool`, `errorCode`, `outcome` and `text`. */
export interface SearchQuery {
  /** The name of a tool, a sub-agent's tool, a node or a durable step. */
  tool?: string;
  /** The code of a failure, such as `THROTTLING`. */
  errorCode?: string;
  /** The outcome of a call, as it is known now. */
  outcome?: 'done' | Outcome;
  /** Is in what a user, an agent or a tool said, in upper or lower case: 1 to 200 characters, not a pattern. */
  text?: string;
  /** The session that `by` would continue. */
  session?: string;
  /** Only runs that started at this time or later, epoch milliseconds. */
  since?: number;
  /** Who asks: it sees the runs of its tenant and those of none. Absent: only those of none. */
  by?: Principal;
  /** Most runs of this page, 1 to 100. Default 20. */
  limit?: number;
  /** The cursor of the previous page. */
  cursor?: HeadCursor;
}

/** One thing that happened in a run, and that fits the query. */
export interface SearchMatch {
  /** Who it is from. `agent`: an answer or a failure of its model; `run`: the end of the run. */
  from: 'user' | 'agent' | 'tool' | 'run';
  /** The number of the entry, for `inspect({ at })` and `fork({ at })`. */
  seq: number;
  /** As in the trace: the number of the answer of this agent, or the layer of the graph. */
  step: number;
  /** The agents from the run's top agent down. */
  path: readonly string[];
  tool?: string;
  callId?: CallId;
  errorCode?: string;
  outcome?: 'done' | Outcome;
  /** With `text`: where it is, with at most 80 characters before and after it. */
  excerpt?: string;
}

/** A run with its first 20 matches. `more`: there are others. */
export interface FoundRun extends RunSummary {
  matches: readonly SearchMatch[];
  more: boolean;
}

/** `cursor`: present if there may be more. `unreadable`: runs of this page whose journal is damaged or was written by a newer version. */
export interface SearchPage {
  runs: readonly FoundRun[];
  unreadable: readonly string[];
  cursor?: HeadCursor;
}

/** Runs that one page reads, whether they match or not, and matches of one run. */
const MOST = { read: 200, matches: 20 };
const AROUND = 80;
const OUTCOMES = ['done', 'failed', 'not-run', 'unknown'] satisfies SearchQuery['outcome'][];

const OPTIONS: ListOptions = {
  where: 'search()',
  examples: {
    by: LIST.by,
    tool: LIST.tool,
    errorCode: "errorCode: 'THROTTLING'",
    outcome: "outcome: 'failed'",
    text: "text: 'order 17'",
    session: LIST.session,
    since: LIST.since,
    limit: LIST.limit,
    cursor: 'cursor: page.cursor',
  } satisfies Record<keyof SearchQuery, string>,
  values: { outcome: OUTCOMES },
  places: { cursor: { runId: 'string', startedAt: 'number' } },
  limits: [1, 100],
};

function check(q: SearchQuery): void {
  const { text } = q ?? {};
  if (text !== undefined && !(isName(text) && text.length <= 200)) throw wrongField(OPTIONS.where, 'text', 'a text of 1 to 200 characters');
  checkList(q, OPTIONS);
  if ((q.tool ?? q.errorCode ?? q.outcome ?? q.text) === undefined)
    throw invalid('search() needs what to look for: tool, errorCode, outcome or text. runs() lists all runs: engine.runs({ by }).');
}

/** One page of the runs that match and that the caller may inspect, newest first. @throws RondoError `CONFIG_INVALID`. */
export async function search(resources: Resources, q: SearchQuery): Promise<SearchPage> {
  check(q);
  const { journal } = resources;
  const { by, session, since = Number.NEGATIVE_INFINITY, limit = 20, cursor: after } = q;
  const filter = { limit: MOST.read, ...(after && { after: { runId: after.runId, startedAt: after.startedAt } }) };
  const heads = session === undefined ? journal.heads(filter) : await headsOfSession(journal, session, by, filter);
  const runs: FoundRun[] = [];
  const unreadable: string[] = [];
  let left = MOST.read;
  for await (const head of heads) {
    if (head.startedAt < since) return { runs, unreadable };
    try {
      const found = await searched(resources, head, q);
      if (found) runs.push(found);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      if (sees(by, head.tenant) && (await hasAccess(resources, 'inspect', by, aboutHead(head)))) unreadable.push(head.runId);
    }
    left--;
    if (runs.length === limit || left === 0) return { runs, unreadable, cursor: { runId: head.runId, startedAt: head.startedAt } };
  }
  return { runs, unreadable };
}

/** The run with its matches; undefined without any, and for one that the caller may not inspect. */
async function searched(resources: Resources, head: RunHead, q: SearchQuery): Promise<FoundRun | undefined> {
  const { journal } = resources;
  const summary = await summaryOf(resources, head, q.by);
  if (!summary) return undefined;
  let matches: SearchMatch[] = [];
  const succeeded = new Set<CallId>();
  let more = false;
  let tracer: Tracer | undefined;
  const pattern = q.text === undefined ? undefined : new RegExp(q.text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&'), 'i');
  const take = (item: SearchMatch, texts: readonly string[]) => {
    const match = matched(item, texts, q, pattern);
    if (match && matches.length < MOST.matches) matches.push(match);
    else if (match) more = true;
  };
  for await (const entry of journal.read(head.runId)) {
    if (!tracer) {
      if (entry.type !== 'run.started') return undefined;
      tracer = new Tracer(head.runId, entry, true);
    }
    const records = taken(tracer, entry);
    const { run } = tracer;
    if (entry.seq === 0 && !sees(q.by, run.started.by?.tenant)) return undefined;
    const said = saidByUser(entry);
    if (said.length > 0) take({ from: 'user', seq: entry.seq, step: run.root.step, path: run.root.path }, said);
    for (const record of records) {
      // the call that waited is found by itself
      if (record.type === 'WAIT') continue;
      // an attempt that was given up may end after another one went well
      if (record.type === 'OUTCOME' && succeeded.has(record.callId)) continue;
      if (record.type === 'TOOL_INVOCATION' && record.status === 'SUCCEEDED') succeeded.add(record.callId);
      // an outcome that became known replaces the one before
      if (record.type === 'OUTCOME' && q.outcome !== undefined) matches = matches.filter(({ callId }) => callId !== record.callId);
      take(itemOf(record), textsOf(record));
    }
  }
  return matches.length > 0 ? { ...summary, matches, more } : undefined;
}

function matched(item: SearchMatch, texts: readonly string[], q: SearchQuery, pattern: RegExp | undefined): SearchMatch | undefined {
  if (q.tool !== undefined && item.tool !== q.tool) return undefined;
  if (q.errorCode !== undefined && item.errorCode !== q.errorCode) return undefined;
  if (q.outcome !== undefined && item.outcome !== q.outcome) return undefined;
  if (!pattern) return item;
  for (const text of texts) {
    const { index } = pattern.exec(text) ?? {};
    if (index === undefined) continue;
    const excerpt = text.slice(Math.max(0, index - AROUND), index + (q.text ?? '').length + AROUND).toWellFormed();
    return { ...item, excerpt };
  }
  return undefined;
}

type Found = Exclude<TraceRecord, { type: 'WAIT' }>;

function itemOf(record: Found): SearchMatch {
  const { seq, step, path, type } = record;
  const item: SearchMatch = { from: type === 'MODEL_INVOCATION' ? 'agent' : type === 'FINAL_RESPONSE' ? 'run' : 'tool', seq, step, path };
  const tool = 'toolName' in record ? record.toolName : 'name' in record ? record.name : 'node' in record ? record.node : undefined;
  if (tool !== undefined) item.tool = tool;
  if ('callId' in record) item.callId = record.callId;
  if ('errorCode' in record && record.errorCode !== undefined) item.errorCode = record.errorCode;
  if (type === 'OUTCOME') item.outcome = record.outcome;
  else if ('callId' in record && type !== 'APPROVAL') {
    const outcome = record.status === 'SUCCEEDED' ? 'done' : record.outcome;
    if (outcome !== undefined) item.outcome = outcome;
  }
  return item;
}

/** What an agent or a tool said in it. A run's output was said before, by its agent. */
function textsOf(record: Found): string[] {
  if (record.type === 'MODEL_INVOCATION') return record.text === undefined ? [] : [record.text];
  const values = [
    'output' in record && record.type !== 'FINAL_RESPONSE' ? record.output : undefined,
    'message' in record ? record.message : undefined,
  ];
  return values.flatMap((value) => (value === undefined ? [] : texts(value)));
}

/** The texts in a value, and its numbers. */
function texts(value: Json): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.values(value).flatMap(texts);
}

function saidByUser(entry: Entry): string[] {
  if (entry.type === 'run.started') return [...said(entry.earlier), ...textParts(promptParts(entry.input))];
  if (entry.type === 'message.received' && entry.kind === 'steering') return [...said(entry.earlier), ...textParts(entry.content)];
  return [];
}

const said = (messages: readonly Message[] = []) => messages.flatMap(({ content }) => textParts(content));
const textParts = (parts: readonly Part[]) => parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
