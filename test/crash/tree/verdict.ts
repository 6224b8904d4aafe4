/** What is wrong with what a run left behind: its journal against what happened outside, and both against the undisturbed run. */
import { isDeepStrictEqual } from 'node:util';
import type { AgentState, Entry } from '../../../src/index.ts';
import type { Deed } from './deeds.ts';
import type { TreeOutcome } from './outcome.ts';
import type { Item } from './record.ts';

export interface TreeVerdict {
  duplicates: string[];
  lost: string[];
  approvals: string[];
  differences: string[];
  repeats: string[];
  /** What had ended in the journal, and was begun again. */
  again: string[];
  /** Calls that were made again under another idempotency key. */
  keys: string[];
  /** Calls and steps of which no one knows whether they took effect: not wrong, but counted. */
  unknown: number;
  /** Those of which an operator said what became of them. */
  settled: number;
}
const blank = (): TreeVerdict => ({
  duplicates: [],
  lost: [],
  approvals: [],
  differences: [],
  repeats: [],
  again: [],
  keys: [],
  unknown: 0,
  settled: 0,
});

/** @param spent whether it must have cost the same, too: a fork is not charged for what it took over. */
export function judge(got: TreeOutcome, want: TreeOutcome, spent = true): TreeVerdict {
  const verdict = blank();
  if (got.state.status !== 'completed') {
    verdict.lost.push(`the run is ${got.state.status}: ${JSON.stringify(got.entries.at(-1))}`);
    return verdict;
  }
  const excused = excuses(got);
  judgeEffects(got, verdict);
  judgeRepetition(got, verdict);
  judgeUnknowns(got, verdict);
  judgeApprovals(got, want, excused, verdict);
  judgeEnd(got, want, excused, spent, verdict);
  const repeated = got.told.filter((seq, i) => got.told.indexOf(seq) !== i);
  if (repeated.length > 0) verdict.repeats.push(`events told twice: ${repeated.join(', ')}`);
  return verdict;
}

const effectsOf = ({ deeds }: TreeOutcome) => deeds.filter(({ kind }) => kind === 'effect');
const last = ({ finished }: Item) => finished.at(-1);
const toldUnknown = (item: Item) => last(item)?.error?.outcome === 'unknown';

function grouped(all: readonly Deed[]): Map<string, Deed[]> {
  const groups = new Map<string, Deed[]>();
  for (const deed of all) groups.set(deed.what, [...(groups.get(deed.what) ?? []), deed]);
  return groups;
}

/** What took effect, against what the journal says of it. */
function judgeEffects(got: TreeOutcome, verdict: TreeVerdict): void {
  const byWhat = grouped(effectsOf(got));
  const inherited = got.entries[0]?.type === 'run.started' ? (got.entries[0].fork?.at ?? -1) : -1;
  for (const [what, all] of byWhat) {
    const [{ effect }] = all as [Deed];
    const keys = new Set(all.map(({ key }) => key));
    if (effect === 'once' && all.length > 1) verdict.duplicates.push(`${what} took effect ${all.length} times`);
    if (keys.size > 1) verdict.keys.push(`${what} was called under ${keys.size} keys`);
    if (!got.record.items.some((item) => item.what === what)) verdict.differences.push(`${what} is not in the journal`);
  }
  for (const item of got.record.items) {
    if (item.kind !== 'tool' && item.kind !== 'turn' && item.kind !== 'step') continue;
    const times = byWhat.get(item.what)?.length ?? 0;
    const end = last(item);
    if (end && end.seq <= inherited && times > 0) verdict.again.push(`${item.what} was taken over, and took effect again`);
    if (end?.ok && end.seq > inherited && times === 0) verdict.differences.push(`${item.what} is told to have run, and did not`);
    const over = end && end.seq > (item.started.at(-1)?.seq ?? -1);
    if (over && !end.ok && end.error?.outcome !== 'unknown' && times > 0)
      verdict.differences.push(`${item.what} is told not to have run, and did`);
  }
}

/** What had ended never runs again; what had not, at most once for each process that took the run over. */
function judgeRepetition({ deeds, record, entries }: TreeOutcome, verdict: TreeVerdict): void {
  const claims = entries.filter(({ type }) => type === 'run.claimed').map(({ seq }) => seq);
  const settled = entries.flatMap((e) => (e.type === 'outcome.settled' ? [e.call] : []));
  for (const [what, all] of grouped(deeds.filter(({ kind }) => kind === 'began'))) {
    const item = record.items.find((one) => one.what === what);
    // what failed below the top has ended too: its supervisor is told, and goes on
    const below = item !== undefined && item.kind !== 'step' && item.path.length > 1;
    const end = item?.seq ?? item?.finished.find(({ ok }) => ok || below)?.seq ?? Number.POSITIVE_INFINITY;
    for (const { seq } of all) if (seq > end) verdict.again.push(`${what} had ended in entry ${end}, and was begun again after ${seq}`);
    // an append that waits for the disk brings all before it along
    const unsafe = all.filter(({ effect, seq, safe }) => effect === 'once' && item?.started.some((e) => e.seq < seq && e.seq >= safe));
    for (const { seq } of unsafe) verdict.differences.push(`${what} was begun after ${seq}, before its intent was safe from a power cut`);
    const begins = all.map(({ seq }) => seq);
    const allowed = 1 + claims.filter((seq) => seq >= Math.min(...begins) && seq < end).length;
    // a step that fails is tried again by its function
    const tries = item?.kind === 'step' ? item.finished.filter(({ ok }) => !ok).length : 0;
    if (all.length > allowed + tries) verdict.again.push(`${what} was begun ${all.length} times, ${allowed + tries} allowed`);
    if (all[0]?.effect !== 'once') continue;
    const cutOff = item?.kind === 'step' ? settled.filter((call) => call === item.id).length : 0;
    if (all.length > 1 + tries + cutOff) verdict.again.push(`${what}, which is once, was begun ${all.length} times`);
  }
}

/** Unknown is only what a crash cut off, or what failed because of it; and each is listed for an operator. */
function judgeUnknowns({ record, state }: TreeOutcome, verdict: TreeVerdict): void {
  const open = new Set<string>();
  for (const item of record.items) {
    const { kind, what, cut, started, settled } = item;
    const does = kind === 'step' || kind === 'tool' || kind === 'turn';
    // of a step, or of a call whose agent's part was closed above it
    if (does && started.at(-1)?.effect === 'once' && started.length > item.finished.length) {
      if (!cut) verdict.differences.push(`${what} has no end, and no crash cut it off`);
      if (settled.length === 0) open.add(item.id);
    } else if ((kind === 'tool' || kind === 'turn') && toldUnknown(item)) {
      if (!cut) verdict.differences.push(`${what} is unknown, and no crash cut it off`);
      open.add(item.id);
    }
  }
  verdict.unknown += open.size;
  verdict.settled += record.items.filter(({ settled }) => settled.length > 0).length;
  const listed = state.unknowns.map(({ callId }) => callId);
  for (const id of open) if (!listed.includes(id)) verdict.differences.push(`${record.byId.get(id)?.what} is unknown, and not listed`);
  for (const id of listed) if (!open.has(id)) verdict.differences.push(`${record.byId.get(id)?.what} is listed as unknown, and is not`);
}

/** Agents whose part ended because no one knows what became of something in it: what they would have done later is not missed. */
function excuses({ record }: TreeOutcome): ReadonlySet<string> {
  const own = (agent: string) => (item: Item) => item.path.at(-1) === agent && (toldUnknown(item) || item.steps.some(toldUnknown));
  return new Set(
    record.items.flatMap((item) => (item.agent && toldUnknown(item) && record.items.some(own(item.agent)) ? [item.agent] : [])),
  );
}

/** Every question that the undisturbed run asked was asked once, and decided once; nothing decided was open again. */
function judgeApprovals(got: TreeOutcome, want: TreeOutcome, excused: ReadonlySet<string>, verdict: TreeVerdict): void {
  const say = ({ record }: TreeOutcome) =>
    record.items
      .filter((item) => item.asked.length > 0 && !item.path.some((agent) => excused.has(agent)))
      .map(({ what, asked, decided }) => {
        const said = decided.map(({ decision, by }) => `${decision.type} by ${by.id}`).join(' and ') || 'lost';
        return `${what}: asked ${asked.length} times, ${said}`;
      })
      .sort();
  const [mine, others] = [say(got), say(want)];
  if (!isDeepStrictEqual(mine, others)) verdict.approvals.push(`${mine.join('; ')} instead of ${others.join('; ')}`);
  if (got.state.approvals.length > 0) verdict.approvals.push(`${got.state.approvals.length} still open`);

  const decided = new Set(got.entries.flatMap((e) => (e.type === 'approval.decided' ? [e.id] : [])));
  const askers = new Map(got.record.items.flatMap((item) => item.asked.map(({ id }) => [id, item] as const)));
  const waiting = new Set<string>();
  const heard = new Set<string>();
  for (const one of got.seen) {
    if ('acknowledged' in one) {
      heard.add(one.acknowledged);
      waiting.delete(one.acknowledged);
      if (!decided.has(one.acknowledged)) verdict.approvals.push(`the decision on ${one.acknowledged} was heard, and is lost`);
      continue;
    }
    for (const id of one.open) if (heard.has(id)) verdict.approvals.push(`${askers.get(id)?.what} was decided, and is asked again`);
    for (const id of waiting) {
      if (one.open.includes(id) || decided.has(id) || askers.get(id)?.path.some((agent) => excused.has(agent))) continue;
      verdict.approvals.push(`${askers.get(id)?.what} was asked, and is open no longer`);
    }
    for (const id of one.open) waiting.add(id);
  }
}

function judgeEnd(got: TreeOutcome, want: TreeOutcome, excused: ReadonlySet<string>, spent: boolean, verdict: TreeVerdict): void {
  const differ = (what: string, a: unknown, b: unknown) => {
    if (!isDeepStrictEqual(a, b)) verdict.differences.push(`${what}: ${shown(a)} instead of ${shown(b)}`);
  };
  const missing = (item: Item) => item.path.some((agent) => excused.has(agent));
  const names = (o: TreeOutcome) => o.record.items.filter((item) => !missing(item)).map(({ what, kind }) => `${kind} ${what}`);
  differ('what was to be done', names(got).sort(), names(want).sort());
  const undone = got.record.items.filter((item) => !missing(item) && item.kind !== 'answer' && item.kind !== 'step' && !last(item));
  for (const { what } of undone) verdict.lost.push(`${what} has no end`);
  // what no one knows stands in the results of the one that was told so
  const masked = JSON.stringify(got.entries).includes('OUTCOME_UNKNOWN') || verdict.unknown > 0;
  differ('output', plain(got.output, masked), plain(want.output, masked));
  if (got.state.state !== undefined) differ('state', plain(got.state.state, masked), plain(want.state.state, masked));
  differ('messages', got.state.messages.map(shape), want.state.messages.map(shape));
  if (!masked) differ('messages', got.state.messages, want.state.messages);
  differ(
    'agents',
    agentsOf(got.state.tree, excused, spent, lostOf(got.entries)),
    agentsOf(want.state.tree, excused, spent, lostOf(want.entries)),
  );
  if (excused.size === 0 && spent) {
    differ('usage', withoutLost(got), withoutLost(want));
    differ('steps', got.state.steps, want.state.steps);
  }
  got.entries.forEach((entry, i) => {
    if (entry.seq !== i) verdict.differences.push(`entry ${i} has the number ${entry.seq}`);
  });
}

/** A result as it is the same whatever order those that work side by side end in, and with unknown results left out. */
function plain(value: unknown, masked: boolean): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { log, reserved, ...rest } = value as { log?: string[]; reserved?: string };
  return { ...rest, ...(log && { log: [...log].sort() }), ...(reserved !== undefined && !masked && { reserved }) };
}

const shape = ({ role, content }: TreeOutcome['state']['messages'][number]) => [
  role,
  content.map((part) => (part.type === 'toolResult' ? `result of ${part.id}` : part)),
];

/** The agents of the tree, by path: how each ended, what it used, and how often its nodes ran. */
function agentsOf(top: AgentState, excused: ReadonlySet<string>, spent: boolean, lost: ReadonlyMap<string, number>): unknown[] {
  if (top.path.some((agent) => excused.has(agent))) return [];
  const { path, status, error, nodes = [], usage, steps, toolCalls, agents } = top;
  const whole = !agents.some((below) => hasAny(below, excused));
  const used = path.length > 1 && whole && spent ? { usage: { ...usage, input: usage.input - lostIn(top, lost) }, steps, toolCalls } : {};
  const ran = nodes.map(({ name, status, runs }) => `${name}: ${status} ${runs}`).sort();
  return [{ path, status, error, ran, ...used }, ...agents.flatMap((below) => agentsOf(below, excused, spent, lost)).sort(byPath)];
}

/** Tokens of model calls that a crash cut off, of an agent and all below it. */
const lostIn = ({ callId = '', agents }: AgentState, lost: ReadonlyMap<string, number>): number =>
  agents.reduce((sum, below) => sum + lostIn(below, lost), lost.get(callId) ?? 0);

function lostOf(entries: readonly Entry[]): Map<string, number> {
  const lost = new Map<string, number>();
  for (const e of entries)
    if (e.type === 'attempt.failed' && e.lost) lost.set(e.frame ?? '', (lost.get(e.frame ?? '') ?? 0) + e.lost.tokens);
  return lost;
}
const hasAny = ({ agent, agents }: AgentState, excused: ReadonlySet<string>): boolean =>
  excused.has(agent) || agents.some((below) => hasAny(below, excused));
const byPath = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

/** Tokens and dollars but for the model calls that a crash cut off, which are charged at the most they can have cost. */
function withoutLost({ state, entries }: TreeOutcome): unknown {
  const lost = entries.flatMap((e: Entry) => ((e.type === 'run.claimed' || e.type === 'attempt.failed') && e.lost ? [e.lost] : []));
  const tokens = lost.reduce((sum, l) => sum + l.tokens, 0);
  const usd = lost.reduce((sum, l) => sum + (l.usd ?? Number.NaN), 0);
  return { ...state.usage, input: state.usage.input - tokens, usd: ((state.costUsd ?? Number.NaN) - usd).toFixed(9) };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 600 ? `${text.slice(0, 600)}...` : text;
}
