/**
 * The gate before a call: are its arguments valid, may it be made at all, does a person have to say yes? It is the
 * same for a call the model just asked for, one that a crash or a limit left waiting, and one that was decided.
 */
import type { Failure } from '../errors.ts';
import type { Approval, Call } from '../journal/fold.ts';
import { copyJson, type Json } from '../json.ts';
import type { Policy } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import type { ApprovalRule, Effect, Question, ToolOptions } from '../ports/tool.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import { bounded, messageOf } from '../reliability/classify.ts';
import { inTime } from '../reliability/patience.ts';
import { isThenable } from '../reliability/timeout.ts';
import { type Schema, type Validated, validate } from '../schema.ts';

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
  /** `value` is what the schema made of the input; `context` what the tool's context schema made of the run's. */
  | { go: 'start'; tool: T; input: Json; value: unknown; context: unknown }
  | { go: 'ask'; tool: T; rule: ApprovalRule; question?: Question }
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

type Asked = Pick<Call, 'name' | 'input'> & Partial<Pick<Call, 'edited' | 'approval'>>;

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
  const input = call.edited ? call.edited.input : call.input;
  if (isTooLarge(input)) return refuse('INVALID_ARGUMENTS', `The arguments are too large. Call ${tool.name} with less.`);
  // user code gets a copy: the journal's is the only one there is
  const valid = validate(tool.options.input, copyJson(input));
  return valid instanceof Promise ? valid.then((v) => permit(tool, input, v, approval, o)) : permit(tool, input, valid, approval, o);
}

const namesOf = (tools: ReadonlyMap<string, Gated>) =>
  [...tools.values()].flatMap((t) => (t.held === undefined ? [t.name] : [])).join(', ');

/** What validation may be given: it is synchronous, and some schemas take the square of what they check. */
const LARGEST = { nodes: 10_000, chars: 256 * 1024 };

function isTooLarge(input: Json): boolean {
  let { nodes, chars } = LARGEST;
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

function permit<T extends Gated>(
  tool: T,
  input: Json,
  valid: Validated<unknown>,
  approval: Approval | undefined,
  o: GateOptions,
): Verdict<T> | Promise<Verdict<T>> {
  if (!valid.ok) return refuse('INVALID_ARGUMENTS', `${valid.problem}. Correct the arguments and call ${tool.name} again.`);
  const checked = contextOf(tool, o.context);
  if (!checked.ok) return refuse('CONTEXT_INVALID', `The run was started without what this tool needs: ${checked.problem}.`);
  const context = checked.value;
  if (!o.policy) return approve(tool, input, valid.value, context, approval, o);
  return permitted(o.policy, tool, input, o).then((denied) =>
    denied !== undefined ? refuse<T>('NOT_PERMITTED', denied) : approve(tool, input, valid.value, context, approval, o),
  );
}

function approve<T extends Gated>(
  tool: T,
  input: Json,
  value: unknown,
  context: unknown,
  approval: Approval | undefined,
  o: GateOptions,
): Verdict<T> | Promise<Verdict<T>> {
  // a person has said yes: to this call, these arguments, this tool
  if (approval?.decided && (approval.asked.kind !== 'tool' || approval.asked.hash === tool.hash))
    return { go: 'start', tool, input, value, context };
  if (approval?.decided) return { go: 'ask', tool, rule: { ...kept(approval), reason: 'the tool has changed since it was approved' } };
  const { approval: rule } = tool.options;
  if (typeof rule !== 'function') return decided(tool, input, value, context, rule);
  const ask = (own: Validated<unknown>): Verdict<T> | Promise<Verdict<T>> => {
    if (!own.ok) return ruleFailed(own.problem);
    try {
      const answer = rule(own.value, { context, by: o.by });
      return isThenable(answer)
        ? inTime(answer, HOOK_TIMEOUT, 'the approval rule', o.cancel).then((a) => decided(tool, input, value, context, a), ruleFailed<T>)
        : decided(tool, input, value, context, answer);
    } catch (error) {
      return ruleFailed(error);
    }
  };
  // arguments of its own: what a rule does to them, the tool must not see
  const own = validate(tool.options.input, copyJson(input));
  return own instanceof Promise ? own.then(ask) : ask(own);
}

/** What an approval asked for, to be asked for again. */
const kept = ({ asked: { roles, allow } }: Approval): ApprovalRule => ({ allow, ...(roles && { roles }) });

/** Only `false`, and a tool without a rule, lets a call through: a rule that forgot to return has not allowed anything. */
function decided<T extends Gated>(tool: T, input: Json, value: unknown, context: unknown, answer: unknown): Verdict<T> {
  if (tool.ask) return { go: 'ask', tool, rule: typeof answer === 'object' && answer ? answer : {}, question: tool.ask(input) };
  if (answer === false || tool.options.approval === undefined) return { go: 'start', tool, input, value, context };
  if (answer === true) return { go: 'ask', tool, rule: {} };
  const wrong = ruleProblem(answer);
  return wrong === undefined ? { go: 'ask', tool, rule: answer as ApprovalRule } : ruleFailed(wrong);
}

/** What is wrong with an approval rule; undefined for one that makes sense. */
export function ruleProblem(rule: unknown): string | undefined {
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule))
    return `an approval rule is true, false, or an object such as { reason, roles, expires }, not ${typeof rule}`;
  const { reason, roles, expires, allow } = rule as ApprovalRule;
  if (reason !== undefined && typeof reason !== 'string') return 'reason must be a text';
  const texts = (list: unknown) => Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === 'string' && item !== '');
  if (roles !== undefined && !texts(roles)) return 'roles must be a list of texts that is not empty';
  if (expires !== undefined && !(typeof expires === 'number' && expires > 0)) return 'expires must be a number of milliseconds above 0';
  if (allow !== undefined && !(texts(allow) && allow.every((type) => DECISIONS.has(type))))
    return 'allow must be a list of approve, edit, reject, respond';
  return undefined;
}

const DECISIONS: ReadonlySet<string> = new Set(['approve', 'edit', 'reject', 'respond']);

/** What a tool's context schema makes of the run's context. */
export function contextOf(tool: Gated, context: unknown): Validated<unknown> {
  const { context: schema } = tool.options;
  if (!schema) return { ok: true, value: context ?? {} };
  const checked = validate(schema, context ?? {});
  return checked instanceof Promise ? { ok: false, problem: 'its context schema is asynchronous, which is not supported' } : checked;
}

/** What a sub-agent does is also done for the agents above it: each of them must be allowed to. @returns why not, if not. */
async function permitted(policy: Policy, tool: Gated, input: Json, o: GateOptions): Promise<string | undefined> {
  for (const agent of new Set(o.path)) {
    try {
      const asked = policy.decide({ by: o.by, agent, tool: tool.name, input: copyJson(input) });
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
