/** What became of a run: compared with the undisturbed one, entry by entry and effect by effect. */
import { isDeepStrictEqual } from 'node:util';
import {
  Engine,
  type Entry,
  type EntryOf,
  type Failure,
  type Journal,
  type Message,
  type Part,
  type RunState,
  type Usage,
} from '../../src/index.ts';
import { ANA, CHECKED, ONCE, PRICES, RUN, worker } from './job.ts';
import { type Effect, effects, told } from './ledger.ts';
import { journalIn } from './store.ts';

export interface Outcome {
  state: RunState;
  result: unknown;
  entries: Entry[];
  effects: Effect[];
  /** Sequence numbers of the events that the processes told their listeners, and of those that `watch` shows now. */
  told: number[];
  watched: number[];
}

/** Reads what a run left behind. Undefined where there is no run. */
export async function outcomeOf(dir: string, given?: Journal): Promise<Outcome> {
  const journal = given ?? (await journalIn(dir));
  const engine = new Engine({ journal, agents: [worker(dir, () => undefined)], prices: PRICES });
  try {
    const state = await engine.inspect(RUN, { by: ANA });
    const entries: Entry[] = [];
    for await (const entry of journal.read(RUN)) entries.push(entry);
    const watched: number[] = [];
    const over = state.status !== 'running';
    // a run that is still running is watched for ever
    if (over) for await (const { seq } of engine.watch(RUN)) if (seq !== undefined) watched.push(seq);
    const result = over ? await engine.resume(RUN) : undefined;
    return {
      state,
      result,
      entries,
      effects: effects(dir).all(),
      told: told(dir)
        .all()
        .map(({ seq }) => seq),
      watched,
    };
  } finally {
    await engine.close();
  }
}

/** What is wrong, by kind. Every list must be empty. */
export interface Verdict {
  duplicates: string[];
  lost: string[];
  approvals: string[];
  differences: string[];
  repeats: string[];
  /** Calls that were made again under another idempotency key. */
  keys: string[];
  /** Calls whose outcome is honestly unknown: not wrong, but counted. */
  unknown: number;
}
export const KINDS = ['duplicates', 'lost', 'approvals', 'differences', 'repeats', 'keys'] as const;
const blank = (): Verdict => ({ duplicates: [], lost: [], approvals: [], differences: [], repeats: [], keys: [], unknown: 0 });

export function judge(got: Outcome, want: Outcome): Verdict {
  const verdict = blank();
  if (got.state.status !== 'completed') {
    verdict.lost.push(`the run is ${got.state.status}: ${JSON.stringify(got.result)}`);
    return verdict;
  }
  judgeEffects(got, verdict);
  judgeApprovals(got, want, verdict);
  judgeState(got, want, verdict);
  judgeEvents(got, verdict);
  return verdict;
}

const once = new Set<string>(ONCE);
const checked = new Set<string>(CHECKED);

/** The ledger against what the journal says of each call. */
function judgeEffects({ entries, effects }: Outcome, verdict: Verdict): void {
  const byCall = new Map<string, Effect[]>();
  for (const effect of effects) {
    const what = `${effect.tool} ${effect.n}`;
    byCall.set(what, [...(byCall.get(what) ?? []), effect]);
  }
  for (const [what, all] of byCall) {
    const keys = new Set(all.map(({ key }) => key));
    if (once.has(all[0]?.tool as string) && all.length > 1) verdict.duplicates.push(`${what} took effect ${all.length} times`);
    if (keys.size > 1) verdict.keys.push(`${what} was called under ${keys.size} keys`);
  }
  for (const call of callsOf(entries)) {
    const times = byCall.get(`${call.name} ${call.n}`)?.length ?? 0;
    const { finished } = call;
    if (!finished) verdict.lost.push(`${call.name} ${call.n} has no result`);
    else if (finished.ok && call.name !== 'ask_human' && times === 0)
      verdict.differences.push(`${call.name} ${call.n} is told to have run, and did not`);
    else if (!finished.ok && finished.error?.outcome !== 'unknown' && times > 0)
      verdict.differences.push(`${call.name} ${call.n} is told not to have run, and did`);
    if (finished?.error?.outcome !== 'unknown') continue;
    verdict.unknown++;
    if (!call.cut) verdict.differences.push(`${call.name} ${call.n} is unknown, and no crash cut it off`);
    if (checked.has(call.name)) verdict.differences.push(`${call.name} ${call.n} is unknown, and could have been found out`);
  }
}

interface Called {
  name: string;
  n: unknown;
  finished: EntryOf<'call.finished'> | undefined;
  /** Whether another process claimed the run between its start and its end. */
  cut: boolean;
}

function callsOf(entries: readonly Entry[]): Called[] {
  const edits = new Map<string, unknown>();
  for (const entry of entries) {
    if (entry.type !== 'approval.decided' || entry.decision.type !== 'edit') continue;
    const asked = entries.find((e) => e.type === 'approval.requested' && e.id === entry.id) as EntryOf<'approval.requested'>;
    edits.set(asked.call, entry.decision.input);
  }
  return entries.flatMap((answer) => {
    if (answer.type !== 'model.responded') return [];
    return answer.content
      .filter((part) => part.type === 'toolCall')
      .map((part, i): Called => {
        const id = `${answer.seq}.${i}`;
        const finished = entries.find((e) => e.type === 'call.finished' && e.call === id) as EntryOf<'call.finished'> | undefined;
        const started = entries.find((e) => e.type === 'call.started' && e.call === id);
        const end = finished?.seq ?? entries.length;
        const cut = started !== undefined && entries.some((e) => e.type === 'run.claimed' && e.seq > started.seq && e.seq < end);
        const input = (edits.get(id) ?? part.input) as { n?: unknown };
        return { name: part.name, n: input.n, finished, cut };
      });
  });
}

function judgeApprovals(got: Outcome, want: Outcome, verdict: Verdict): void {
  const say = ({ entries }: Outcome) => {
    const asked = entries.filter((e) => e.type === 'approval.requested');
    return asked.map(({ id, tool }) => {
      const decided = entries.filter((e) => e.type === 'approval.decided' && e.id === id) as EntryOf<'approval.decided'>[];
      return `${tool}: ${decided.map(({ decision, by }) => `${decision.type} by ${by.id}`).join(' and ') || 'lost'}`;
    });
  };
  const [mine, other] = [say(got).sort(), say(want).sort()];
  if (!isDeepStrictEqual(mine, other)) verdict.approvals.push(`${mine.join(', ')} instead of ${other.join(', ')}`);
  if (got.state.approvals.length > 0) verdict.approvals.push(`${got.state.approvals.length} still open`);
}

function judgeState(got: Outcome, want: Outcome, verdict: Verdict): void {
  const differ = (what: string, a: unknown, b: unknown) => {
    if (!isDeepStrictEqual(a, b)) verdict.differences.push(`${what}: ${shown(a)} instead of ${shown(b)}`);
  };
  const messages = got.state.messages.map((message, i) => known(message, want.state.messages[i]));
  differ('messages', messages, want.state.messages);
  differ('steps', got.state.steps, want.state.steps);
  differ('output', (got.result as { output?: unknown }).output, (want.result as { output?: unknown }).output);
  // a result that came too late for the agent makes known what became of its call
  const settled = got.entries.filter(
    (entry, i) =>
      entry.type === 'call.finished' &&
      entry.error?.outcome === 'unknown' &&
      got.entries.slice(i).some((later) => later.type === 'outcome.settled' && later.call === entry.call),
  );
  differ('unknown outcomes listed', got.state.unknowns.length, verdict.unknown - settled.length);
  const { usage, usd } = withoutLost(got);
  differ('usage', usage, want.state.usage);
  differ('cost', usd.toFixed(9), (want.state.costUsd as number).toFixed(9));
  got.entries.forEach((entry, i) => {
    if (entry.seq !== i) verdict.differences.push(`entry ${i} has the number ${entry.seq}`);
  });
}

/** A message with each honestly unknown result replaced by what the undisturbed run was told. */
function known(message: Message, undisturbed: Message | undefined): Message {
  if (message.role !== 'tool') return message;
  const content = message.content.map((part, i): Part => (isUnknown(part) ? (undisturbed?.content[i] ?? part) : part));
  return { ...message, content };
}

function isUnknown(part: Part): boolean {
  if (part.type !== 'toolResult' || !part.isError) return false;
  const [text] = part.output;
  const error = JSON.parse(text?.type === 'text' ? text.text : '{}') as Partial<Failure>;
  return error.code === 'OUTCOME_UNKNOWN' && error.outcome === 'unknown';
}

/** What the run cost but for the model calls that a crash cut off, which are charged at the most they can have cost. */
function withoutLost({ state, entries }: Outcome): { usage: Usage; usd: number } {
  const lost = entries.flatMap((e) =>
    (e.type === 'run.claimed' || (e.type === 'attempt.failed' && e.code === 'CRASHED')) && e.lost ? [e.lost] : [],
  );
  const tokens = lost.reduce((sum, l) => sum + l.tokens, 0);
  const usd = lost.reduce((sum, l) => sum + (l.usd ?? Number.NaN), 0);
  return { usage: { ...state.usage, input: state.usage.input - tokens }, usd: (state.costUsd ?? Number.NaN) - usd };
}

function judgeEvents({ told, watched, entries }: Outcome, verdict: Verdict): void {
  const repeated = told.filter((seq, i) => told.indexOf(seq) !== i);
  if (repeated.length > 0) verdict.repeats.push(`events told twice: ${repeated.join(', ')}`);
  const silent = new Set(['context.changed', 'message.received']);
  const seqs = entries.filter(({ type }) => !silent.has(type)).map(({ seq }) => seq);
  // watch ends with the run's next end, so it is asked again from there
  if (watched.some((seq, i) => seq !== seqs[i])) verdict.repeats.push(`watch shows ${watched.join(' ')}`);
  const strange = told.filter((seq) => !seqs.includes(seq));
  if (strange.length > 0) verdict.differences.push(`events of no entry: ${strange.join(', ')}`);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 600 ? `${text.slice(0, 600)}...` : text;
}
