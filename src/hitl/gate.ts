/**
 * The gate before a call: are its arguments valid, does the policy allow it, must a person approve it? It is the same for a new call, one
 * that a crash or a limit left waiting, and one that was decided.
 */
import { type Failure, notRun } from '../errors.ts';
import type { Amount, EntryOf, Intent } from '../journal/entries/entries.ts';
import type { Charge } from '../journal/entries/intent.ts';
import type { Approval, Call } from '../journal/fold/fold.ts';
import { writtenOf } from '../journal/fold/frame.ts';
import { copyJson, fits, isSameJson, type Json } from '../json.ts';
import type { Part } from '../ports/model.ts';
import type { Policy } from '../ports/policy.ts';
import type { ApprovalRule, Effect, Question, ToolOptions } from '../ports/tool.ts';
import { bounded, messageOf } from '../reliability/classify.ts';
import { inTime } from '../reliability/patience.ts';
import { isThenable } from '../reliability/timeout.ts';
import { type Schema, type Validated, validate } from '../schema.ts';
import { amountOf, type Worth } from './amount.ts';
import { type Again, type Arguments, foreseen, type Parsed, parse, parseAgain } from './arguments.ts';
import { type Keyed, type Meant, meant } from './intent.ts';
import { type Asking, HOOK_TIMEOUT, permission } from './policy.ts';
import { mayDecide, ruleProblem, together } from './rules.ts';

/** Another call holds the intent now, and will end by itself. */
export interface Busy {
  go: 'busy';
  holder: { run: string; call: string };
  /** Looks again, and at nothing else. Undefined once no other call has the intent now. */
  again(): Promise<Busy | undefined>;
}

/** What is known of an intent: it may be claimed, or what becomes of the call instead. */
export type LookedUp<T extends Gated> =
  | ({ go: 'claim' } & Declared & { intent: Intent })
  | Extract<Verdict<T>, { go: 'refuse' | 'answer' | 'busy' }>;

/** The fields of a tool that the gate uses. */
export interface Gated {
  readonly name: string;
  readonly effect: Effect;
  /** Hash of the model's view of the tool. */
  readonly hash: string;
  readonly options: {
    readonly input: Schema;
    readonly context?: Schema;
    // biome-ignore lint/suspicious/noExplicitAny: inside, a declaration's types are gone
    readonly approval?: ToolOptions<string, Schema, Schema, string, any>['approval'];
  } & Keyed['options'] &
    Worth['options'];
  readonly ask?: (input: Json) => Question;
  /** Their policies are asked in addition to the engine's, each about the tool by this name. */
  readonly doors?: readonly { readonly policy?: Policy | undefined; readonly tool: string }[];
  /** Why the tool is held back and must not be called. */
  readonly held?: string;
}

/** What a call takes with it when it starts. `doubt`: its intent may be done already, so the tool's `check` is asked first. */
export interface Declared {
  /** Claimed in the append that starts the call. */
  intent?: Intent | undefined;
  /** By unit. It counts in the limits from the start of the call. */
  amount?: Amount | undefined;
  doubt?: true | undefined;
  /** What is known of its intent was not looked up: it starts if nothing is, and otherwise stays open. */
  unseen?: true | undefined;
  /** It has started before, and is counted already. */
  resumed?: true;
}

/** What becomes of a call. */
export type Verdict<T extends Gated> =
  /** `input` is as written, `context` is the run's context as parsed by the tool's schema. */
  | ({ go: 'start'; tool: T; input: Json; context: unknown } & Arguments & Declared)
  | { go: 'ask'; tool: T; rule: ApprovalRule; shown: Json; question?: Question | undefined; intent?: Meant | undefined }
  | { go: 'refuse'; error: Failure }
  /** A person answered in the tool's place, the intent is done (`repeated`), or what the call waits for has come (`event`). */
  | ({
      go: 'answer';
      output: Json;
      content?: readonly Part[];
      cut?: number;
      repeated?: EntryOf<'call.finished'>['repeated'];
      event?: EntryOf<'call.finished'>['event'];
    } & Charge)
  /** Another call holds the intent now. */
  | Busy
  /** Asked already, and not decided yet. */
  | { go: 'wait' };

export interface GateOptions<T extends Gated = Gated> extends Asking {
  /** Undefined: it denies nothing, and asks no one. */
  policy: Policy | undefined;
  /** Asked after the policy, and before a person is. @param asks whether a person may be asked. */
  lookUp(tool: T, call: Asked, meant: Meant, shown: Json, asks: boolean): LookedUp<T> | Promise<LookedUp<T>>;
  /** The store's clock, epoch milliseconds, by which approvals expire. */
  now: number;
}

/** A call of the journal, or one of an answer that is not in it yet, which has a name and arguments only. */
export type Asked = Pick<Call, 'name' | 'input'> &
  Partial<Pick<Call, 'edited' | 'approval' | 'allowed' | 'answered' | 'agreed' | 'asked' | 'shown'>>;

/** In the place of a tool: why there is none, for the model. */
export interface Missing {
  missing: { code: string; message: string };
}

/**
 * Decides what becomes of a call. It runs no tool and writes nothing. What fails in user code, such as a rule or a policy, refuses the
 * call. @throws Halted while it waits for a policy, or what `lookUp` throws.
 */
export function gate<T extends Gated>(tool: T | Missing, call: Asked, o: GateOptions<NoInfer<T>>): Verdict<T> | Promise<Verdict<T>> {
  const { approval } = call;
  if (approval && !approval.decided) {
    const { expiresAt } = approval.asked;
    if (expiresAt === undefined || o.now < expiresAt) return { go: 'wait' };
    return refuse('APPROVAL_EXPIRED', 'No decision came in time, so the call was not made.');
  }
  const decision = approval?.decided?.decision;
  if (decision?.type === 'reject')
    return refuse('REJECTED', `A person rejected this call: ${decision.reason}${decision.note ? ` (${decision.note})` : ''}`);
  // midway, the call runs again with the answer
  if (decision?.type === 'respond' && !approval?.asked.midway) return { go: 'answer', output: decision.answer };

  if ('missing' in tool) return refuse(tool.missing.code, tool.missing.message);
  if (tool.held !== undefined)
    return refuse('TOOL_HELD_BACK', `${tool.held}. It is held back until the change is accepted: go on without it.`);
  const written = writtenOf(call);
  if (!fits(written, LARGEST)) return refuse('INVALID_ARGUMENTS', `The arguments are too large. Call ${tool.name} with less.`);
  const { input } = tool.options;
  const again = (call.shown ?? 0) > 1;
  const args = call.agreed ? parseAgain(input, written, call.agreed.input, again) : parse(input, written);
  return args instanceof Promise ? args.then((a) => permit(tool, call, written, a, o)) : permit(tool, call, written, args, o);
}

/** Largest arguments that are validated. Validation is synchronous, and some schemas take quadratic time. */
const LARGEST = { values: 10_000, chars: 256 * 1024 };
/** Largest parsed arguments, which are journaled and shown to people. */
const LARGEST_MADE = { values: 100_000, chars: 4 * 1024 * 1024 };

/** A call with valid arguments and context. */
interface Checked<T extends Gated> {
  tool: T;
  call: Asked;
  written: Json;
  args: Arguments & { changed?: true };
  context: unknown;
  /** Approvals that the policy requires, in addition to the tool's own rule. */
  asks?: readonly ApprovalRule[];
  declared?: Declared;
}

function permit<T extends Gated>(tool: T, call: Asked, written: Json, args: Again, o: GateOptions<T>): Verdict<T> | Promise<Verdict<T>> {
  if (!args.ok)
    return refuse('INVALID_ARGUMENTS', `${args.problem.replace(/\.$/, '')}. Correct the arguments and call ${tool.name} again.`);
  if (args.shown !== written && !fits(args.shown, LARGEST_MADE))
    return refuse('INVALID_ARGUMENTS', `What the schema of ${tool.name} makes of the arguments is too large. Call it with less.`);
  const valid = contextOf(tool, o.context);
  if (!valid.ok) return refuse('CONTEXT_INVALID', `The run was started without what this tool needs: ${valid.problem}.`);
  const checked: Checked<T> = { tool, call, written, args, context: valid.value };
  const { amount, key } = tool.options;
  if (o.policy || amount || key || tool.doors) return declaring(checked, o);
  // nothing can ask a person about a call of such a tool
  return call.approval || mayAsk(tool) ? approve(checked, o) : start(checked);
}

/** Whether the tool itself may ask a person about a call. */
const mayAsk = ({ options, ask }: Gated): boolean => options.approval !== undefined || ask !== undefined;

/** What the call declares, what the policy says of it, and what is known of its intent, in this order. */
function declaring<T extends Gated>(checked: Checked<T>, o: GateOptions<T>): Verdict<T> | Promise<Verdict<T>> {
  const { tool, call, args } = checked;
  const amount = amountOf(tool, args);
  if (typeof amount === 'string') return refuse('AMOUNT_INVALID', amount);
  const intent = meant(tool, args, call.allowed?.asked);
  if (typeof intent === 'string') return refuse('INTENT_KEY_INVALID', intent);
  if (!o.policy && !tool.doors) return looked(checked, o, amount, intent, []);
  const written = isSameJson(args.shown, call.input) ? undefined : call.input;
  const about = {
    tool: tool.name,
    effect: tool.effect,
    input: args.shown,
    written,
    amount,
    ...(intent && { intent: intent.name, key: intent.key }),
  };
  return permitted(tool, about, o).then(({ denied, asks }) =>
    denied !== undefined ? refuse('NOT_PERMITTED', denied) : looked(checked, o, amount, intent, asks),
  );
}

function looked<T extends Gated>(
  checked: Checked<T>,
  o: GateOptions<T>,
  amount: Amount | undefined,
  intent: Meant | undefined,
  asks: readonly ApprovalRule[],
): Verdict<T> | Promise<Verdict<T>> {
  const { tool, call, args } = checked;
  if (!intent) return approve({ ...checked, asks, declared: { amount } }, o);
  const found = (known: LookedUp<T>) => {
    if (known.go !== 'claim') return known;
    const { intent: claimed, doubt, unseen } = known;
    return approve({ ...checked, asks, declared: { amount, intent: claimed, doubt, unseen } }, o);
  };
  const known = o.lookUp(tool, call, intent, args.shown, asks.length > 0 || mayAsk(tool));
  return known instanceof Promise ? known.then(found) : found(known);
}

/** What the policy says, and those of the gateways that the tool came through. */
async function permitted(tool: Gated, about: Parameters<typeof permission>[2], o: GateOptions): ReturnType<typeof permission> {
  const first = o.policy ? await permission(o.policy, o, about) : { asks: [] };
  if (!tool.doors || first.denied !== undefined) return first;
  const asks = [...first.asks];
  for (const { policy, tool: name } of tool.doors) {
    if (!policy) continue;
    const ruled = await permission(policy, o, { ...about, tool: name });
    if (ruled.denied !== undefined) return ruled;
    asks.push(...ruled.asks);
  }
  return { asks };
}

const start = <T extends Gated>({ tool, written, args: { value, shown, exact }, context, declared }: Checked<T>): Verdict<T> => ({
  go: 'start',
  ...declared,
  tool,
  input: written,
  value,
  shown,
  exact,
  context,
});

/** Asks a person, by a rule combined with those of the policy. */
function ask<T extends Gated>({ tool, args, asks = [], declared }: Checked<T>, rule: ApprovalRule, question?: Question): Verdict<T> {
  const all = together([rule, ...asks]);
  if (!all) return ruleFailed('no role, or no kind of decision, satisfies both the rule of the tool and the policy');
  return { go: 'ask', tool, rule: all, shown: args.shown, intent: declared?.intent, question };
}

/** Starts a call that needs no approval by its own rule, unless the policy requires one that `decided` does not satisfy. */
function unlessAsked<T extends Gated>(checked: Checked<T>, o: GateOptions<T>, decided?: Decided): Verdict<T> {
  const { asks = [] } = checked;
  if (asks.every((rule) => decided && mayDecide(decided.by, decided.decision.type, rule, o.by))) return start(checked);
  return ask(checked, {});
}

function approve<T extends Gated>(checked: Checked<T>, o: GateOptions<T>): Verdict<T> | Promise<Verdict<T>> {
  const { tool, call, args } = checked;
  const { asked, decided } = call.allowed ?? {};
  // no person was asked about the call itself, and the rule or the policy may have changed while it waited for an answer or a consent
  if (!asked || !decided) return ruled(checked, o);
  const again = (reason: string) => askedAgain(checked, o, kept(asked), reason);
  // the approval is valid only for this call, these arguments and this version of the tool
  if (asked.hash !== tool.hash || (asked.effect ?? tool.effect) !== tool.effect) return again('the tool has changed since it was approved');
  if (args.changed) return again('the tool makes something else of the arguments than when it was approved');
  if (decided.decision.type !== 'edit') return unlessAsked(checked, o, decided);
  if (!foreseen(args.shown, decided.decision.input, asked.input ?? call.input))
    return again('the tool makes something else of the edited arguments than was written');
  return ruled(checked, o, decided);
}

/** Applies the tool's own rule. For an edited call it checks whether the editor may approve the edited arguments. */
function ruled<T extends Gated>(checked: Checked<T>, o: GateOptions<T>, edited?: Decided): Verdict<T> | Promise<Verdict<T>> {
  const { tool, written, args, context } = checked;
  const { approval: rule } = tool.options;
  if (typeof rule !== 'function') return judged(checked, rule, o, edited);
  const aboutCall = { amount: checked.declared?.amount, key: checked.declared?.intent?.key, effect: tool.effect };
  const answered = (own: Parsed): Verdict<T> | Promise<Verdict<T>> => {
    if (!own.ok) return ruleFailed(own.problem);
    try {
      const answer = rule(own.value, { context, by: o.by, ...aboutCall });
      return isThenable(answer)
        ? inTime(answer, HOOK_TIMEOUT, 'the approval rule', o.cancel).then((a) => judged(checked, a, o, edited), ruleFailed<T>)
        : judged(checked, answer, o, edited);
    } catch (error) {
      return ruleFailed(error);
    }
  };
  // the rule gets its own copy, so that the tool does not see its mutations
  if (args.exact) return answered({ ok: true, ...args, value: copyJson(args.shown) });
  const own = parseAgain(tool.options.input, written, args.shown, true);
  return own instanceof Promise ? own.then(answered) : answered(own);
}

/** Asks again, by what the rule says of the call as it is now. Where it asks no one any more, the approval of before is asked for again. */
function askedAgain<T extends Gated>(
  checked: Checked<T>,
  o: GateOptions<T>,
  before: ApprovalRule,
  why: string,
): Verdict<T> | Promise<Verdict<T>> {
  const asks = (now: Verdict<T>): Verdict<T> => {
    if (now.go === 'start') return ask(checked, { ...before, reason: why });
    if (now.go !== 'ask') return now;
    const { reason } = now.rule;
    return { ...now, rule: { ...now.rule, reason: reason === undefined ? why : `${why}; ${reason}` } };
  };
  const now = ruled(checked, o);
  return now instanceof Promise ? now.then(asks) : asks(now);
}

/** The rule of an approval, to ask again with it. */
const kept = ({ roles, allow, expiresAt, at }: Approval['asked']): ApprovalRule => ({
  allow,
  roles,
  ...(expiresAt !== undefined && { expires: Math.max(1, expiresAt - at) }),
});

/** A call needs no approval only if its rule returned `false` or it has none. `undefined` does not allow it: the rule may lack a return. */
function judged<T extends Gated>(checked: Checked<T>, answer: unknown, o: GateOptions<T>, edited: Decided | undefined): Verdict<T> {
  const { tool, args } = checked;
  if (tool.ask) {
    const rule = typeof answer === 'object' && answer ? answer : {};
    return ask(checked, rule, tool.ask(args.shown));
  }
  if (answer === false || tool.options.approval === undefined) return unlessAsked(checked, o, edited);
  const wrong = answer === true ? undefined : ruleProblem(answer);
  if (wrong !== undefined) return ruleFailed(wrong);
  const rule: ApprovalRule = answer === true ? {} : (answer as ApprovalRule);
  if (!edited) return ask(checked, rule);
  return mayDecide(edited.by, 'edit', rule, o.by)
    ? unlessAsked(checked, o, edited)
    : ask(checked, { ...rule, reason: rule.reason ?? 'what was edited needs another approval' });
}

type Decided = NonNullable<Approval['decided']>;

/** The run's context as parsed by the tool's context schema. */
export function contextOf(tool: Gated, context: unknown): Validated<unknown> {
  const { context: schema } = tool.options;
  if (!schema) return { ok: true, value: context ?? {} };
  const checked = validate(schema, context ?? {});
  return checked instanceof Promise ? { ok: false, problem: 'its context schema is asynchronous, which is not supported' } : checked;
}

const ruleFailed = <T extends Gated>(error: unknown): Verdict<T> =>
  refuse('APPROVAL_RULE_FAILED', `Whether a person must approve this could not be found out, so it was not run: ${messageOf(error)}`);

function refuse<T extends Gated>(code: string, message: string): Verdict<T> {
  return { go: 'refuse', error: notRun(code, bounded(message)) };
}
