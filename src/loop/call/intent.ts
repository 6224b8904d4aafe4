/**
 * Intents: what is known of what a call is meant to do, before it runs. The store's claims tell which call did it, or does it now.
 *
 * I1. A `once` intent is done by at most one call, until it is known that it did not happen or somebody reopens it.
 * I2. A call that claims an intent names the newest revision of its claim, or that there is none, so of two that find it free one starts.
 * I3. All calls of one intent have one idempotency key, in every run.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type Failure, notRun, RondoError, ToolError } from '../../errors.ts';
import type { Busy, LookedUp } from '../../hitl/gate.ts';
import { differing, type Meant } from '../../hitl/intent.ts';
import { type Claim, type Holder, isFree } from '../../journal/claims.ts';
import type { EntryOf, Intent } from '../../journal/entries/entries.ts';
import type { Call, Frame, RunFold } from '../../journal/fold/fold.ts';
import { openApprovals, openWaits, unfinishedCalls } from '../../journal/fold/frame.ts';
import { type Json, plainJson } from '../../json.ts';
import type { Effect } from '../../ports/tool.ts';
import type { CancelSource } from '../../reliability/cancel.ts';
import { judged, unlessHalted } from '../../reliability/patience.ts';
import type { Schema } from '../../schema.ts';
import type { AnyToolOptions, Scope, ToolDefinition } from '../types.ts';
import { observed } from './output.ts';

/** What a looked-up intent can come to, apart from its claim. */
export type Instead = Extract<LookedUp<ToolDefinition>, { go: 'refuse' | 'answer' }>;
type Looked = LookedUp<ToolDefinition>;

/** What has an intent: a tool, a durable step, a foreign agent. */
export interface Subject {
  readonly name: string;
  /** With an earlier call whose outcome is unknown, only a `once` subject without a `check` is refused. Any other may run again. */
  readonly effect: Effect;
  readonly options: Pick<AnyToolOptions, 'check' | 'same' | 'deadline' | 'maxBytes' | 'toModel'> & { readonly input?: Schema };
}

/** @see GateOptions.lookUp */
export async function lookUpIntent(
  scope: Scope,
  tool: Subject,
  call: Partial<Pick<Call, 'id' | 'intent'>>,
  meant: Meant,
  shown: Json,
): Promise<Looked> {
  const { host, run, frame } = scope;
  if (!host.intents.kept) return refuse(notRun('CONFIG_INVALID', `${tool.name} has a key, and cannot be called: ${NO_CLAIMS}.`));
  const key = { tenant: run.started.by?.tenant, intent: meant.name, key: meant.key };
  const claim = await host.intents.find(key);
  const { generation = 0, revision: seen = 0, holder } = claim ?? {};
  const intent: Intent = { ...meant, ...(seen > 0 && { seen }), ...(generation > 0 && { generation }) };
  if (!claim || isFree(claim, await host.now())) return { go: 'claim', intent };
  if (isOwn(scope, call, holder) && claim.state !== 'done') {
    // what is not known of the call that it took the intent over from is not known yet
    const { over, doubt } = call.intent ?? frame.claim?.intent ?? {};
    return { go: 'claim', intent: { ...intent, ...(over && { over }), ...(doubt && { doubt }) } };
  }
  if (claim.digest !== undefined && claim.digest !== meant.digest) return conflict(scope, tool, claim, shown);
  if (claim.state === 'done') return repeated(scope, tool, claim);
  if (holder && isAround(scope, holder)) return refuse(busy(tool, holder, 'and waits for this one'));
  const state = claim.state === 'unknown' || !holder ? 'gone' : await stateOf(scope, holder);
  const again = () => lookUpIntent(scope, tool, call, meant, shown);
  if (state === 'live') return { go: 'busy', holder: holder as Holder, again: async () => busyIn(await again()) };
  // a run that ended or paused after its claim was read may have settled the claim before
  if (claim.state === 'held' && (await host.intents.find(key))?.revision !== seen) return again();
  if (state === 'waits') return refuse(busy(tool, holder as Holder, 'which waits for a person or an event, so it was not waited for'));
  const over = holder && { over: holder };
  if (tool.effect !== 'once') return { go: 'claim', intent: { ...intent, ...over, doubt: true } };
  // of a run that was forgotten only this call can find out, or be settled
  if (tool.options.check || !holder) return { go: 'claim', intent: { ...intent, ...over }, doubt: true };
  return refuse(outcomeUnknown(tool, holder));
}

/** A call that goes on where a crash or a pause left it finds its own claim. */
function isOwn({ run, frame }: Scope, { id }: { id?: string }, holder: Holder | undefined): boolean {
  if (id === undefined || holder?.run !== run.runId) return false;
  // all turns of a foreign agent have one intent
  return holder.call === id || (frame.kind === 'foreign' && frame.claim?.call === holder.call);
}

/** The calls with an intent in whose functions the code that runs is. */
const around = new AsyncLocalStorage<readonly Holder[]>();

/** Runs the function of a call that holds an intent. */
export const holding = <T>(holder: Holder, act: () => T): T => around.run([...(around.getStore() ?? []), holder], act);

/** Of the same run alone: another run may have been begun or woken by the function, which need not wait for it. */
const isAround = ({ run }: Scope, holder: Holder): boolean =>
  holder.run === run.runId && (around.getStore() ?? []).some((one) => one.run === holder.run && one.call === holder.call);

/** Whether the call that holds an intent ends by itself (`live`), or may never end. */
async function stateOf({ host, run }: Scope, holder: Holder): Promise<'live' | 'waits' | 'gone'> {
  if (holder.run !== run.runId) return host.intents.stateOf(holder.run);
  // a foreign agent holds its claim while people answer what it asks
  const holds = ({ call, frame }: { call: Call; frame: Frame }) => call.id === holder.call || frame.claim?.call === holder.call;
  if ([...openApprovals(run), ...openWaits(run)].some(holds)) return 'waits';
  return unfinishedCalls(run).some((call) => call.id === holder.call && isLeft(run, call)) ? 'gone' : 'live';
}

/** Whether a crash cut off a durable step. It ends with its node at the latest, and the node may be the one that would wait for it. */
const isLeft = (run: RunFold, { id, status, epoch }: Call): boolean => id.includes('/') && status === 'started' && epoch !== run.epoch;

async function conflict(scope: Scope, tool: Subject, claim: Claim, shown: Json): Promise<Looked> {
  const first = claim.holder && (await scope.host.intents.read(claim.holder, scope.run.started.by));
  const fields = first?.input === undefined ? [] : await differingFields(tool, first.input, shown, scope.cancel);
  const what = fields.length > 0 ? `other values of ${fields.join(', ')}` : 'other arguments';
  const state = claim.state === 'done' ? 'was done' : claim.state === 'held' ? 'is being done' : 'may have been done';
  return refuse(
    notRun(
      'INTENT_CONFLICT',
      `${tool.name} ${state} before for the same intent, with ${what}. It was not called. Ask for the same, or find out what is meant.`,
    ),
  );
}

/** The names of the fields in which what must be the same differs. The first values are not told. */
async function differingFields({ options }: Subject, first: Json, now: Json, cancel: CancelSource): Promise<readonly string[]> {
  const { same, input } = options;
  if (!same || !input) return differing(first, now);
  const of = async (json: Json): Promise<Json> => {
    const valid = await judged(input, json, cancel);
    return valid.ok ? (plainJson(same(valid.value)) ?? null) : null;
  };
  try {
    const fields = differing(await of(first), await of(now));
    // `same` may pick one value, which has no name: then one of these is where it comes from
    return fields.length > 0 ? fields : differing(first, now);
  } catch {
    return [];
  }
}

/** The first result, as the model saw it, after a note that says so. */
async function repeated(scope: Scope, tool: Subject, { holder, since }: Claim): Promise<Looked> {
  const first = holder && (await scope.host.intents.read(holder, scope.run.started.by));
  const mark: EntryOf<'call.finished'>['repeated'] = { run: holder?.run ?? '', call: holder?.call ?? '', at: since };
  const at = new Date(since).toISOString();
  const said = (text: string) => ({ type: 'text', text }) as const;
  if (!first || first.hidden) {
    const why = holder ? 'The result is not shown here' : 'The result was erased since';
    return {
      go: 'answer',
      output: null,
      content: [said(`This was done before, at ${at}, and was not done again. ${why}.`)],
      repeated: mark,
    };
  }
  const { output, content, cut } = first.content
    ? first
    : { ...observed(tool, first.output ?? null, scope.secrets), ...(first.cut && { cut: first.cut }) };
  const parts = content ?? [said(typeof output === 'string' ? output : JSON.stringify(output ?? null))];
  const note = said(`This was done before, at ${at}, and was not done again. The result was:`);
  return { go: 'answer', output: output ?? null, content: [note, ...parts], ...(cut !== undefined && { cut }), repeated: mark };
}

const busy = ({ name }: Subject, { run, call }: Holder, why: string): Failure =>
  notRun(
    'INTENT_BUSY',
    `${name} was not called: call ${call} of run ${run} is doing the same now, ${why}. Try again later, or go on without it.`,
    true,
  );

const refuse = (error: Failure): Looked => ({ go: 'refuse', error });

/**
 * Waits until the run is known to be owned, and looks whether the call still has its claim.
 * @throws ToolError `INTENT_BUSY`, outcome `not-run`: another call has it.
 */
export async function stillClaimed(
  scope: Scope,
  { name, call }: { readonly name: string; readonly call: Pick<Call, 'id' | 'intent'> },
  owned: void | Promise<void>,
): Promise<void> {
  await owned;
  const { name: intent = '', key = '' } = call.intent ?? {};
  const claim = await scope.host.intents.find({ tenant: scope.run.started.by?.tenant, intent, key });
  if (claim?.state === 'held' && isOwn(scope, call, claim.holder)) return;
  throw new ToolError(
    'INTENT_BUSY',
    `${name} was not called: this process did nothing for so long that another call took its intent over. Ask for it again to see what came of it.`,
    { outcome: 'not-run', retryable: false },
  );
}

/** What a store that keeps no claims cannot do. */
export const NO_CLAIMS = 'its journal keeps no claims. Use memoryJournal() or sqliteJournal(), or give the store claim()';

/** Whether it was called before for the same intent is known to be so, and not what came of it. */
export const outcomeUnknown = (tool: Subject, over: Holder | undefined): Failure => ({
  ...notRun(
    'OUTCOME_UNKNOWN',
    `${tool.name} was called before for the same intent${over ? ` (call ${over.call} of run ${over.run})` : ''}, and whether that took effect is unknown. It was not called again: it may have happened. Tell a person, who can find out and settle it.`,
  ),
  outcome: 'unknown',
});

/** Milliseconds that a call waits for another one of its intent, where it has no deadline; and between two looks. */
const PATIENCE = 60_000;
const LOOK = 250;

/**
 * Asks what becomes of a call. While another call of its intent runs, only that is looked at, so policies and people are asked once; then
 * it asks again. It holds no place meanwhile.
 * @returns the first answer that is not `busy`; a refusal at the deadline of the call. @throws Halted
 */
export async function unlessBusy<P extends { go: string }>(
  scope: Scope,
  subject: Subject,
  ask: () => Promise<P | Busy>,
): Promise<P | Extract<Looked, { go: 'refuse' }>> {
  const patience = subject.options.deadline ?? PATIENCE;
  const until = performance.now() + patience;
  for (;;) {
    const answer = await ask();
    if (!isBusy(answer)) return answer;
    for (let held: Busy | undefined = answer; held; held = await held.again()) {
      const left = until - performance.now();
      if (left <= 0) return { go: 'refuse', error: busy(subject, held.holder, `and has not ended in ${patience} ms`) };
      await unlessHalted(scope.host.intents.changed(held.holder.run, Math.min(left, LOOK), scope.cancel), scope.cancel);
    }
  }
}

const isBusy = (answer: { go: string }): answer is Busy => answer.go === 'busy';
const busyIn = (answer: Looked): Busy | undefined => (isBusy(answer) ? answer : undefined);

/**
 * Appends the start of a call that no model asked for, with its claim, and looks again where another call was faster.
 * @param append writes the start with this intent, and throws what the store throws.
 * @returns what to do instead; undefined where it may run. @throws Halted
 */
export async function claimed(
  scope: Scope,
  subject: Subject,
  call: Pick<Call, 'id'>,
  meant: Meant,
  shown: Json,
  append: (intent: Intent) => Promise<unknown>,
): Promise<Instead | undefined> {
  for (;;) {
    const looked = await unlessBusy(scope, subject, () => lookUpIntent(scope, subject, call, meant, shown));
    if (looked.go !== 'claim') return looked;
    if (looked.doubt && !subject.options.check) return { go: 'refuse', error: outcomeUnknown(subject, looked.intent.over) };
    try {
      await append(looked.intent);
      return undefined;
    } catch (error) {
      if (!RondoError.is(error, 'INTENT_CLAIMED')) throw error;
    }
  }
}

/** An intent without what was seen of its claim. */
export const bare = ({ name, key, digest, remember }: Meant): Meant => ({ name, key, digest, ...(remember !== undefined && { remember }) });
