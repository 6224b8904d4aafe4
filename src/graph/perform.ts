/** One node: a function, an agent, or a question. */

import { type Failure, ToolError } from '../errors.ts';
import { assertBound, request } from '../hitl/approvals.ts';
import type { Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import type { Make } from '../journal/log.ts';
import { copyJson, type Json } from '../json.ts';
import type { Blocked } from '../loop/call.ts';
import { driveChild, type Left } from '../loop/child.ts';
import { assertDepth } from '../loop/delegation.ts';
import type { End, Scope } from '../loop/types.ts';

import type { ApprovalRule } from '../ports/tool.ts';
import { failureOf } from '../reliability/classify.ts';
import { Halted, unlessHalted } from '../reliability/patience.ts';
import { isThenable } from '../reliability/timeout.ts';
import { validate } from '../schema.ts';
import type { NodeTrace } from '../telemetry/trace.ts';
import { Context } from './context.ts';
import type { GraphDefinition, Node } from './definition.ts';
import { nodeFailure } from './failure.ts';
import { keep, type State } from './state.ts';

/** What a node needs of the schedule of its graph. */
export interface Scheduling {
  readonly scope: Scope;
  readonly graph: GraphDefinition;
  /** The state with all updates so far. */
  readonly state: State;
  /** The entries with which a task ends. @throws ToolError for an invalid update or route; nothing has changed then. */
  ending(task: Call, update: unknown, since: number, more?: Partial<Extract<Draft, { type: 'call.finished' }>>): Make;
  /** Appends the failure of a node. */
  failed(task: Call, thrown: unknown): Promise<undefined>;
  /** The entry with which a node fails. */
  failure(task: Call, error: Failure): Draft;
}

/** Runs a node's task. @returns why it did not end, where it waits. @throws an error of the journal, or a ToolError of the node. */
export function perform(schedule: Scheduling, task: Call): undefined | Promise<Left | undefined> {
  const node = schedule.graph.nodes.get(task.name);
  if (!node) throw new ToolError('NODE_NOT_FOUND', `graph "${schedule.graph.name}" has no node "${task.name}" any more.`);
  if (node.kind === 'function') {
    const asking = schedule.scope.own();
    return asking ? asking.then(() => call(schedule, task, node)) : call(schedule, task, node);
  }
  return node.kind === 'agent' ? hand(schedule, task, node) : question(schedule, task, node);
}

const itemOf = (task: Call): Json | undefined => (task.sent ? task.input : undefined);

function call(schedule: Scheduling, task: Call, node: Extract<Node, { kind: 'function' }>): undefined | Promise<undefined> {
  const since = Date.now();
  const { scope } = schedule;
  const span = scope.trace.node(task.step, { call: task.id, name: task.name });
  const ctx = new Context(scope, task, node, itemOf(task));
  const settled = (then: () => undefined | Promise<undefined>): undefined | Promise<undefined> => {
    const steps = ctx.ended();
    return steps ? unlessHalted(steps, scope.cancel).then(then) : then();
  };
  const failed = async (thrown: unknown): Promise<undefined> => {
    if (thrown instanceof Halted) throw thrown;
    return settled(() => {
      // an error of the journal is not a failure of the node, also where the function caught it
      if (ctx.trouble) throw ctx.trouble.error;
      return fail(schedule, task, thrown, span);
    });
  };
  let result: unknown;
  try {
    result = span.run(() => node.run(schedule.state, ctx));
  } catch (error) {
    return failed(error);
  }
  if (!isThenable(result)) return settled(() => end(schedule, task, result, since, span));
  return unlessHalted(result, scope.cancel).then((update) => settled(() => end(schedule, task, update, since, span)), failed);
}

/** Applies an update; an invalid one fails the node. An error of the journal does not. */
function end(schedule: Scheduling, task: Call, update: unknown, since: number, span?: NodeTrace): undefined | Promise<undefined> {
  let ending: Make;
  try {
    ending = schedule.ending(task, update, since);
  } catch (error) {
    return fail(schedule, task, error, span);
  }
  const pending = schedule.scope.append(ending);
  if (pending) return pending.then(() => span?.end({}) as undefined);
  span?.end({});
  return undefined;
}

async function fail(schedule: Scheduling, task: Call, thrown: unknown, span?: NodeTrace): Promise<undefined> {
  await schedule.failed(task, thrown);
  span?.end({ error: failureOf(thrown, 'NODE_FAILED') });
  return undefined;
}

async function hand(
  schedule: Scheduling,
  task: Call,
  { agent, input, output }: Extract<Node, { kind: 'agent' }>,
): Promise<Left | undefined> {
  const since = Date.now();
  const { scope } = schedule;
  const given = () => {
    try {
      assertDepth(scope);
      return { input: keep(input(schedule.state, itemOf(task))) ?? null };
    } catch (error) {
      const { code, message, retryable, outcome } = nodeFailure(task, error);
      throw new ToolError(code, message, { retryable, outcome });
    }
  };
  const closing = (ended: End): Make => {
    if (!ended.ok) return () => [schedule.failure(task, ended.error)];
    try {
      return schedule.ending(task, output(copyJson(ended.output), schedule.state), since, { output: ended.output });
    } catch (error) {
      const failure = nodeFailure(task, error);
      return () => [schedule.failure(task, failure)];
    }
  };
  return driveChild(scope, { call: task, agent, given, closing, fatal: true });
}

async function question(schedule: Scheduling, task: Call, node: Extract<Node, { kind: 'ask' }>): Promise<Blocked | undefined> {
  const since = Date.now();
  const { scope } = schedule;
  const now = await scope.host.now();
  const { approval } = task;
  if (!approval) return put(schedule, task, node, now, node.rule);
  assertBound(scope.run.runId, task);
  const decision = approval.decided?.decision;
  if (decision?.type !== 'respond') {
    const { expiresAt } = approval.asked;
    if (expiresAt === undefined || now < expiresAt) return { waiting: true };
    return fail(schedule, task, new ToolError('APPROVAL_EXPIRED', `node "${task.name}" got no answer in time.`));
  }
  const valid = await validate(node.answer.schema, copyJson(decision.answer));
  // a check in the schema's own code could not run at the decision, so the person is asked again
  if (!valid.ok) return put(schedule, task, node, now, { ...node.rule, reason: `The last answer does not fit: ${valid.problem}.` });
  let update: unknown;
  try {
    update = node.output(valid.value, schedule.state);
  } catch (error) {
    return fail(schedule, task, error);
  }
  return end(schedule, task, update, since);
}

/** Puts a node's question to a person. */
async function put(
  schedule: Scheduling,
  task: Call,
  node: Extract<Node, { kind: 'ask' }>,
  now: number,
  rule: ApprovalRule,
): Promise<Blocked | undefined> {
  const { scope } = schedule;
  let question: string;
  try {
    question = String(node.ask(schedule.state, itemOf(task)));
  } catch (error) {
    return fail(schedule, task, error);
  }
  await scope.append(() => [request(scope.run.runId, task, { rule, question: { question, answer: node.answer.json } }, now)]);
  return { waiting: true };
}
