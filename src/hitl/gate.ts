/**
 * The gate before a call: are its arguments valid, may it be made at all, does a person have to say yes? It is the
 * same for a call the model just asked for, one that a crash or a limit left waiting, and one that was decided.
 */
import type { Failure } from '../errors.ts';
import type { Approval, Call } from '../journal/fold.ts';
import { writtenOf } from '../journal/frame.ts';
import { copyJson, isSameJson, type Json } from '../json.ts';
import type { Policy } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import type { ApprovalRule, Effect, Question, ToolOptions } from '../ports/tool.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import { bounded, messageOf } from '../reliability/classify.ts';
import { inTime } from '../reliability/patience.ts';
import { isThenable } from '../reliability/timeout.ts';
import { type Schema, type Validated, validate } from '../schema.ts';
import { type Again, type Arguments, foreseen, type Parsed, parse, parseAgain } from './arguments.ts';

/** What the gate needs to know of a tool. */
export interface Gated {
  readonly name: string;
  readonly effect: Effect;
  /** Of what the model is told of it. */
  readonly hash: string;
  readonly options: {
    readonly input: Schema;
    readonly context?: Schema;
    // biome-ignore lint/suspicious/noExplicitAny: inside, a declaration's types are gone
    readonly approval?: ToolOptions<string, Schema, Schema, string, any>['approval'];
  };
  readonly ask?: (input: Json) => Question;
  /** Why it must not be called for now. */
  readonly held?: string;
}

export type Verdict<T extends Gated> =
  /** `input` is what was written, `context` what the tool's context schema made of the run's. */
  | ({ go: 'start'; tool: T; input: Json; context: unknown } & Arguments)
  | { go: 'ask'; tool: T; rule: ApprovalRule; shown: Json; question?: Question | undefined }
  | { go: 'refuse'; error: Failure }
  /** A person answered in the tool's place. */
  | { go: 'answer'; output: Json }
  /** Asked already, and nobody has decided. */
  | { go: 'wait' };

export interface GateOptions {
  /** The agents from the top run down to the one that calls. */
  path: readonly string[];
  by: Principal | undefined;
  context: unknown;
  policy: Policy | undefined;
  /** The store's time, epoch milliseconds: what expiry is judged by. */
  now: number;
  /** Of the run: who waits for a rule or a policy stops waiting. */
  cancel: CancelSource;
}

/** Milliseconds a policy or a rule may think; one that takes longer denies. */
const HOOK_TIMEOUT = 10_000;

export type Asked = Pick<Call, 'name' | 'input'> & Partial<Pick<Call, 'edited' | 'approval' | 'agreed' | 'asked'>>;

export function gate<T extends Gated>(tools: ReadonlyMap<string, T>, call: Asked, o: GateOptions): Verdict<T> | Promise<Verdict<T>> {
  const { approval } = call;
  if (approval && !approval.decided) {
    const { expiresAt } = approval.asked;
    if (expiresAt === undefined || o.now < expiresAt) return { go: 'wait' };
    return refuse('APPROVAL_EXPIRED', 'Nobody decided in time, so the call was not made.');
  }
  const decision = approval?.decided?.decision;
  if (decision?.type === 'reject')
    return refuse('REJECTED', `A person rejected this call: ${decision.reason}${decision.note ? ` (${decision.note})` : ''}`);
  if (decision?.type === 'respond') return { go: 'answer', output: decision.answer };

  const tool = tools.get(call.name);
  if (!tool) return refuse('TOOL_NOT_FOUND', `There is no tool "${call.name}". There are: ${namesOf(tools) || 'none'}.`);
  if (tool.held !== undefined)
    return refuse('TOOL_HELD_BACK', `${tool.held}. It is held back until the change is accepted: go on without it.`);
  const written = writtenOf(call);
  if (isTooLarge(written, LARGEST)) return refuse('INVALID_ARGUMENTS', `The arguments are too large. Call ${tool.name} with less.`);
  const { input } = tool.options;
  const again = (call.asked ?? 0) > 1;
  const args = call.agreed ? parseAgain(input, written, call.agreed.input, again) : parse(input, written);
  return args instanceof Promise ? args.then((a) => permit(tool, call, written, a, o)) : permit(tool, call, written, args, o);
}

const namesOf = (tools: ReadonlyMap<string, Gated>) =>
  [...tools.values()].flatMap((t) => (t.held === undefined ? [t.name] : [])).join(', ');

/** What validation may be given: it is synchronous, and some schemas take the square of what they check. */
const LARGEST = { nodes: 10_000, chars: 256 * 1024 };
/** What a schema may make of it: it is in the journal, and shown. */
const LARGEST_MADE = { nodes: 100_000, chars: 4 * 1024 * 1024 };

function isTooLarge(input: Json, { nodes, chars }: typeof LARGEST): boolean {
  const visit = (value: Json): boolean => {
    if (--nodes < 0) return true;
    if (typeof value === 'string') chars -= value.length;
    else if (typeof value === 'object' && value !== null)
      for (const key in value) {
        chars -= key.length;
        if (visit((value as { [k: string]: Json })[key] as Json)) return true;
      }
    return chars < 0;
  };
  return visit(input);
}

/** A call whose tool takes its arguments. */
interface Checked<T extends Gated> {
  tool: T;
  call: Asked;
  written: Json;
  args: Arguments & { changed?: true };
  context: unknown;
}

function permit<T extends Gated>(tool: T, call: Asked, written: Json, args: Again, o: GateOptions): Verdict<T> | Promise<Verdict<T>> {
  if (!args.ok) return refuse('INVALID_ARGUMENTS', `${args.problem}. Correct the arguments and call ${tool.name} again.`);
  if (args.shown !== written && isTooLarge(args.shown, LARGEST_MADE))
    return refuse('INVALID_ARGUMENTS', `What the schema of ${tool.name} makes of the arguments is too large. Call it with less.`);
  const valid = contextOf(tool, o.context);
  if (!valid.ok) return refuse('CONTEXT_INVALID', `The run was started without what this tool needs: ${valid.problem}.`);
  const checked: Checked<T> = { tool, call, written, args, context: valid.value };
  if (!o.policy) return approve(checked, o);
  return permitted(o.policy, checked, o).then((denied) =>
    denied !== undefined ? refuse<T>('NOT_PERMITTED', denied) : approve(checked, o),
  );
}

const start = <T extends Gated>({ tool, written, args: { value, shown, exact }, context }: Checked<T>): Verdict<T> => ({
  go: 'start',
  tool,
  input: written,
  value,
  shown,
  exact,
  context,
});

const ask = <T extends Gated>({ tool, args }: Checked<T>, rule: ApprovalRule): Verdict<T> => ({ go: 'ask', tool, rule, shown: args.shown });

function approve<T extends Gated>(checked: Checked<T>, o: GateOptions): Verdict<T> | Promise<Verdict<T>> {
  const { tool, call, args } = checked;
  const { asked, decided } = call.approval ?? {};
  if (!asked || !decided) return ruled(checked, o);
  if (asked.kind !== 'tool') return args.changed ? ruled(checked, o) : start(checked);
  const again = (reason: string) => ask(checked, { ...kept(asked), reason });
  // a person has said yes: to this call, these arguments, this tool
  if (asked.hash !== tool.hash) return again('the tool has changed since it was approved');
  if (args.changed) return again('the tool makes something else of the arguments than when it was approved');
  if (decided.decision.type !== 'edit') return start(checked);
  if (!foreseen(args.shown, decided.decision.input, asked.input ?? call.input))
    return again('the tool makes something else of the edited arguments than was written');
  return ruled(checked, o, decided);
}

/** What the tool's own rule says of the call; of an edited one, whether who edited it may decide it. */
function ruled<T extends Gated>(checked: Checked<T>, o: GateOptions, edited?: Decided): Verdict<T> | Promise<Verdict<T>> {
  const { tool, written, args, context } = checked;
  const { approval: rule } = tool.options;
  if (typeof rule !== 'function') return judged(checked, rule, o, edited);
  const answered = (own: Parsed): Verdict<T> | Promise<Verdict<T>> => {
    if (!own.ok) return ruleFailed(own.problem);
    try {
      const answer = rule(own.value, { context, by: o.by });
      return isThenable(answer)
        ? inTime(answer, HOOK_TIMEOUT, 'the approval rule', o.cancel).then((a) => judged(checked, a, o, edited), ruleFailed<T>)
        : judged(checked, answer, o, edited);
    } catch (error) {
      return ruleFailed(error);
    }
  };
  // arguments of its own: what a rule does to them, the tool must not see
  if (args.exact) return answered({ ok: true, ...args, value: copyJson(args.shown) });
  const own = parseAgain(tool.options.input, written, args.shown, true);
  return own instanceof Promise ? own.then(answered) : answered(own);
}

/** What an approval asked for, to be asked for again. */
const kept = ({ roles, allow }: Approval['asked']): ApprovalRule => ({ allow, ...(roles && { roles }) });

/** Only `false`, and a tool without a rule, lets a call through: a rule that forgot to return has not allowed anything. */
function judged<T extends Gated>(checked: Checked<T>, answer: unknown, o: GateOptions, edited: Decided | undefined): Verdict<T> {
  const { tool, args } = checked;
  if (tool.ask) {
    const rule = typeof answer === 'object' && answer ? answer : {};
    return { go: 'ask', tool, rule, shown: args.shown, question: tool.ask(args.shown) };
  }
  if (answer === false || tool.options.approval === undefined) return start(checked);
  const wrong = answer === true ? undefined : ruleProblem(answer);
  if (wrong !== undefined) return ruleFailed(wrong);
  const rule: ApprovalRule = answer === true ? {} : (answer as ApprovalRule);
  if (!edited) return ask(checked, rule);
  return suffices(edited, rule, o)
    ? start(checked)
    : ask(checked, { ...rule, reason: rule.reason ?? 'what was edited needs another approval' });
}

type Decided = NonNullable<Approval['decided']>;

/** Whether a rule would have let the person who edited a call do so. */
const suffices = ({ by }: Decided, { roles, allow }: ApprovalRule, o: GateOptions) =>
  (!allow || allow.includes('edit')) && (!roles || (roles.some((role) => by.roles?.includes(role)) && by.id !== o.by?.id));

/** What is wrong with an approval rule; undefined for one that makes sense. */
export function ruleProblem(rule: unknown, besides: readonly string[] = []): string | undefined {
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule))
    return `an approval rule is true, false, or an object such as { reason, roles, expires }, not ${typeof rule}`;
  // a role under another name would let anyone decide
  const odd = Object.keys(rule).find((key) => !RULE.has(key) && !besides.includes(key));
  if (odd !== undefined) return `an approval rule has no "${odd}": it has ${[...RULE].join(', ')}`;
  const { reason, roles, expires, allow } = rule as ApprovalRule;
  if (reason !== undefined && typeof reason !== 'string') return 'reason must be a text';
  const texts = (list: unknown) => Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === 'string' && item !== '');
  if (roles !== undefined && !texts(roles)) return 'roles must be a list of texts that is not empty';
  if (expires !== undefined && !(typeof expires === 'number' && expires > 0)) return 'expires must be a number of milliseconds above 0';
  if (allow !== undefined && !(texts(allow) && allow.every((type) => DECISIONS.has(type))))
    return 'allow must be a list of approve, edit, reject, respond';
  return undefined;
}

const RULE: ReadonlySet<string> = new Set(['reason', 'roles', 'expires', 'allow'] satisfies (keyof ApprovalRule)[]);
const DECISIONS: ReadonlySet<string> = new Set(['approve', 'edit', 'reject', 'respond']);

/** What a tool's context schema makes of the run's context. */
export function contextOf(tool: Gated, context: unknown): Validated<unknown> {
  const { context: schema } = tool.options;
  if (!schema) return { ok: true, value: context ?? {} };
  const checked = validate(schema, context ?? {});
  return checked instanceof Promise ? { ok: false, problem: 'its context schema is asynchronous, which is not supported' } : checked;
}

/** What a sub-agent does is also done for the agents above it: each of them must be allowed to. @returns why not, if not. */
async function permitted(policy: Policy, { tool, call, args }: Checked<Gated>, o: GateOptions): Promise<string | undefined> {
  const written = isSameJson(args.shown, call.input) ? undefined : { written: call.input };
  for (const agent of new Set(o.path)) {
    try {
      const asked = policy.decide({ by: o.by, agent, tool: tool.name, input: copyJson(args.shown), ...copyJson(written) });
      const { allow, reason } = await inTime(asked, HOOK_TIMEOUT, 'the policy', o.cancel);
      if (allow !== true) return typeof reason === 'string' && reason !== '' ? bounded(reason) : 'The policy does not allow this call.';
    } catch (error) {
      return `The policy could not be asked, so the call is denied: ${messageOf(error)}`;
    }
  }
  return undefined;
}

const ruleFailed = <T extends Gated>(error: unknown): Verdict<T> =>
  refuse('APPROVAL_RULE_FAILED', `Whether a person must approve this could not be found out, so it was not run: ${messageOf(error)}`);

function refuse<T extends Gated>(code: string, message: string): Verdict<T> {
  return { go: 'refuse', error: { code, message: bounded(message), retryable: false, attempts: 0, outcome: 'not-run' } };
}
