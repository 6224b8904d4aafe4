/** What must hold whatever happens. Each check throws with what is wrong. */
import assert from 'node:assert/strict';
import { vi } from 'vitest';
import { LiveRun } from '../../src/engine/drive/live-run.ts';
import { resultOf } from '../../src/engine/read/results.ts';
import { Engine, type Entry, type EntryOf, type Limits, type Message, type ModelRequest, type RunEvent } from '../../src/index.ts';
import { apply, emptyFold, type RunFold } from '../../src/journal/fold/fold.ts';
import { costUsd } from '../../src/journal/fold/spent.ts';
import { headOf } from '../../src/journal/head.ts';
import { passing } from './clock.ts';
import { type Played, RUN } from './play.ts';
import { type Done, PRICES, type Scene } from './scene.ts';
import type { Tape } from './tape.ts';

/** The state that entries lead to, up to a sequence number. */
function fold(entries: readonly Entry[], until = Number.POSITIVE_INFINITY): RunFold {
  const run = emptyFold(RUN, (entries[0] as EntryOf<'run.started'>).agent);
  for (const entry of entries) if (entry.seq <= until) apply(run, entry);
  return run;
}

/** As JSON would keep it, maps as lists of pairs. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, v) => (v instanceof Map ? [...v] : isLink(key, v) ? undefined : v)));
/** What leads back up: JSON knows no circles. */
const isLink = (key: string, v: unknown) =>
  key === 'parent' || ((key === 'frame' || key === 'call') && typeof v === 'object') || (key === 'spent' && 'runId' in (v as object));

/** Compares the live state with the journal's after every entry that an engine takes in. Ends with the returned function. */
export function watchingState(tape: Tape): { problems: string[]; stop: () => void } {
  const problems: string[] = [];
  const original = LiveRun.prototype.committed;
  // a run of an earlier tape may still get a late result
  const mine = new WeakSet<LiveRun>();
  const spy = vi.spyOn(LiveRun.prototype, 'committed').mockImplementation(function (this: LiveRun, run, entry) {
    if (entry.seq === 0 || entry.type === 'run.claimed') mine.add(this);
    try {
      if (mine.has(this))
        assert.deepEqual(plain(run), plain(fold(tape.entries(RUN), entry.seq)), `the live state after entry ${entry.seq} (${entry.type})`);
    } catch (error) {
      problems.push((error as Error).message);
    }
    original.call(this, run, entry);
  });
  return { problems, stop: () => spy.mockRestore() };
}

/** What a model is shown is what the journal says. */
export const shownIsStored = (tape: Tape) => (request: ModelRequest) =>
  assert.deepEqual(
    plain(request.messages),
    plain(fold(tape.entries(RUN)).root.messages),
    'the model was shown something else than the journal says',
  );

/** Everything that must hold of a run that has ended or waits. */
export async function holds(scene: Scene, tape: Tape, played: Played): Promise<void> {
  stands(scene, tape, played);
  await projected(tape, scene, played);
}

/** What must hold of it in its journal and in the world. */
export function stands(scene: Scene, tape: Tape, played: Pick<Played, 'result'>): void {
  const entries = tape.entries(RUN);
  const run = fold(entries);
  numbered(entries);
  assert.deepEqual(plain(played.result), plain(resultOf(run)), 'the result is not what the journal says');
  conversation(run.root.messages, run.status);
  atMostOnce(scene.done);
  asApproved(entries, scene.done);
  withinLimits(entries, scene.script.limits);
  bounded(entries);
  summed(entries, run);
  headsHold(tape);
  const cancelled = entries.some((e) => e.type === 'message.received' && e.kind === 'cancel');
  // an answer that came in time is taken, so it may have completed or failed as well
  if (cancelled) assert.ok(['cancelled', 'completed', 'failed'].includes(run.status), `it was to be cancelled, and is ${run.status}`);
}

function numbered(entries: readonly Entry[]): void {
  entries.forEach((entry, i) => {
    assert.equal(entry.seq, i);
  });
}

/** Every call has exactly one result, in the order asked. */
function conversation(messages: readonly Message[], status: string): void {
  messages.forEach((message, i) => {
    const asked = message.role === 'assistant' ? message.content.filter((p) => p.type === 'toolCall').map(({ id }) => id) : [];
    const next = messages[i + 1];
    if (asked.length > 0 && !next) assert.notEqual(status, 'completed', 'the run completed without the results of its last calls');
    if (asked.length === 0 || !next) return;
    assert.equal(next.role, 'tool');
    assert.deepEqual(
      next.content.map((p) => (p.type === 'toolResult' ? p.id : p.type)),
      asked,
    );
    for (const part of next.content) if (part.type === 'toolResult') assert.ok(part.output.length > 0, 'a result says nothing');
  });
}

const ONCE = new Set(['once', 'checked', 'asks', 'expires']);

function atMostOnce(done: readonly Done[]): void {
  const seen = new Set<string>();
  for (const { key, tool, n } of done) {
    if (!ONCE.has(tool)) continue;
    assert.ok(!seen.has(key), `${tool} ${n} took effect twice`);
    seen.add(key);
  }
}

const ASKING = new Set(['asks', 'expires', 'role']);

/** Nothing that a person must allow runs before one did, and then with the arguments they allowed. */
function asApproved(entries: readonly Entry[], done: readonly Done[]): void {
  const allowed = new Set<string>();
  for (const asked of entries) {
    if (asked.type !== 'approval.requested' || asked.kind !== 'tool') continue;
    const [decided, again] = entries.filter((e) => e.type === 'approval.decided' && e.id === asked.id) as EntryOf<'approval.decided'>[];
    assert.equal(again, undefined, 'an approval was decided twice');
    const yes = decided?.decision.type === 'approve' || decided?.decision.type === 'edit';
    const started = entries.find((e) => e.type === 'call.started' && e.call === asked.call);
    assert.ok(!started || (yes && decided.seq < started.seq), 'a call started that no one approved');
    if (!decided || !yes) continue;
    assert.ok(asked.expiresAt === undefined || decided.at < asked.expiresAt + 50, 'somebody decided after it had expired');
    assert.ok(!asked.roles || asked.roles.some((role) => decided.by.roles?.includes(role)), 'somebody without the role decided');
    const input = decided.decision.type === 'edit' ? decided.decision.input : callAt(entries, asked.call).input;
    allowed.add(`${asked.tool} ${(input as { n: number }).n}`);
  }
  for (const { tool, n } of done)
    assert.ok(!ASKING.has(tool) || allowed.has(`${tool} ${n}`), `${tool} ran with ${n}, which no one approved`);
}

function callAt(entries: readonly Entry[], id: string) {
  const [seq, i] = id.split('.').map(Number) as [number, number];
  const answer = entries[seq] as EntryOf<'model.responded'>;
  return answer.content.filter((part) => part.type === 'toolCall')[i] as { input: unknown };
}

/** Until somebody raised them. */
function withinLimits(entries: readonly Entry[], limits: Limits): void {
  const raised = entries.findIndex((e) => e.type === 'run.claimed' && e.limits);
  const run = fold(raised < 0 ? entries : entries.slice(0, raised));
  const { input, output } = run.usage;
  if (limits.steps !== undefined) assert.ok(run.steps <= limits.steps, `${run.steps} steps of ${limits.steps}`);
  if (limits.toolCalls !== undefined) assert.ok(run.toolCalls <= limits.toolCalls, `${run.toolCalls} calls of ${limits.toolCalls}`);
  if (limits.tokens !== undefined) assert.ok(input + output <= limits.tokens, `${input + output} tokens of ${limits.tokens}`);
  const usd = costUsd(run);
  if (limits.costUsd !== undefined && usd !== undefined) assert.ok(usd <= limits.costUsd, `$${usd} of $${limits.costUsd}`);
}

/** What is counted and listed, added up once more. */
function summed(entries: readonly Entry[], run: RunFold): void {
  let tokens = 0;
  const unknown = new Set<string>();
  const once = new Set<string>();
  for (const entry of entries) {
    if (entry.type === 'model.responded') tokens += (entry.usage?.input ?? 0) + (entry.usage?.output ?? 0);
    else if (entry.type === 'run.claimed' || entry.type === 'attempt.failed') tokens += entry.lost?.tokens ?? 0;
    else if (entry.type === 'call.started' && entry.effect === 'once') once.add(entry.call);
    else if (entry.type === 'call.finished' && entry.error?.outcome === 'unknown' && once.has(entry.call)) unknown.add(entry.call);
    else if (entry.type === 'outcome.settled') unknown.delete(entry.call);
  }
  assert.equal(run.usage.input + run.usage.output, tokens, 'tokens');
  assert.deepEqual([...run.unknowns.keys()].sort(), [...unknown].sort(), 'unknown outcomes');
}

const PAYLOAD = new Set(['content', 'output', 'input', 'decision', 'message', 'error', 'question', 'answer', 'note']);

/** What an entry costs besides what it carries does not depend on the run's length. */
function bounded(entries: readonly Entry[]): void {
  for (const entry of entries) {
    const { length } = JSON.stringify(entry, (key, value) => (PAYLOAD.has(key) ? undefined : value));
    assert.ok(length < 600, `an entry ${entry.type} has ${length} characters besides its payload`);
  }
}

const OUTSIDE = new Set(['approval.decided', 'message.received']);

/** The events of a run: one for each entry, in order, live the same as told again. */
async function projected(tape: Tape, scene: Scene, { events: live, rejected }: Played): Promise<void> {
  const entries = tape.entries(RUN);
  const engine = new Engine({ journal: tape, agents: [scene.agent], prices: PRICES });
  const again: RunEvent[] = [];
  const read = async (after: number, into: RunEvent[]) => {
    for await (const event of engine.watch(RUN, { after })) into.push(JSON.parse(JSON.stringify(event)) as RunEvent);
  };
  await passing(read(-1, again), 'watch');
  assert.deepEqual(
    again.map(({ seq }) => seq),
    entries.map(({ seq }) => seq),
  );
  const middle = Math.floor(entries.length / 2);
  const rest: RunEvent[] = [];
  await passing(read(middle, rest), 'watch');
  assert.deepEqual(
    rest,
    again.filter(({ seq }) => (seq as number) > middle),
  );
  let last = -1;
  for (const event of live) {
    if (event.seq === undefined) continue;
    assert.ok(event.seq > last, `event ${event.seq} was told after ${last}`);
    last = event.seq;
    assert.deepEqual(
      event,
      again.find(({ seq }) => seq === event.seq),
      `event ${event.seq} is told otherwise later`,
    );
  }
  const told = new Set(live.map(({ seq }) => seq));
  const missed: string[] = [];
  // of what others wrote while no one drove the run, no one was told
  let driven = false;
  for (const { seq, type } of entries) {
    if (type === 'run.started' || type === 'run.claimed') driven = told.has(seq);
    // a decision just before a claim is taken up with it; where a drive gave up, no one is told of one until the next
    const silent = type === 'outcome.settled' || (OUTSIDE.has(type) && (!driven || rejected.length > 0));
    if (driven !== told.has(seq) && !silent) missed.push(`${seq} ${type}`);
    if (type === 'run.settled') driven = false;
  }
  assert.deepEqual(missed, [], 'events that were not told, or not by whom');
  await passing(engine.close(), 'close');
}

/** The head that each append wrote is the one that its entries lead to. */
function headsHold(tape: Tape): void {
  let run: RunFold | undefined;
  for (const { runId, body, head } of tape.appends) {
    if (runId !== RUN) continue;
    for (const entry of JSON.parse(body) as Entry[]) {
      run ??= emptyFold(RUN, (entry as EntryOf<'run.started'>).agent);
      apply(run, entry);
    }
    if (!run) continue;
    const { owner: _, leaseUntil: _l, ...folded } = headOf(run, undefined);
    const { owner: _o, leaseUntil: _u, ...written } = head;
    assert.deepEqual(plain(written), plain(folded), `the head written with entry ${run.next - 1} says otherwise`);
  }
}
