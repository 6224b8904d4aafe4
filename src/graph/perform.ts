/** Runs one task of a node: a function, an agent, a question to a person, or a wait. */

import { type Failure, ToolError } from '../errors.ts';
import { assertBound, request } from '../hitl/approvals.ts';
import type { Call } from '../journal/fold/fold.ts';
import type { Make } from '../journal/log.ts';
import { copyJson } from '../json.ts';
import type { Blocked } from '../loop/call/call.ts';
import { assertDepth } from '../loop/delegation.ts';
import { driveChild, type Left } from '../loop/sub-agent-frame.ts';
import type { End } from '../loop/types.ts';

import { inputOf, isConversation } from '../ports/input.ts';
import type { ApprovalRule } from '../ports/tool.ts';
import { atOnce, Halted, judged, unlessHalted } from '../reliability/patience.ts';
import { isThenable } from '../reliability/timeout.ts';
import { Context } from './context.ts';
import type { Node } from './definition.ts';
import { end, endWaited, fail, itemOf, type Scheduling } from './ending.ts';
import { nodeFailure } from './failure.ts';
import { keep } from './state.ts';
import { runEvent, runWait } from './waits.ts';

/** @returns why the task has not ended (it waits for a person, a time or a limit), or undefined. @throws a journal error, or a ToolError of the node. */
export function perform(schedule: Scheduling, task: Call): undefined | Promise<Left | undefined> {
  const node = schedule.graph.nodes.get(task.name);
  if (!node) throw new ToolError('NODE_NOT_FOUND', `graph "${schedule.graph.name}" has no node "${task.name}" any more.`);
  if (node.kind === 'function') {
    const asking = schedule.scope.drive.own();
    return asking ? asking.then(() => runFunction(schedule, task, node)) : runFunction(schedule, task, node);
  }
  if (node.kind === 'wait') return runWait(schedule, task, node);
  if (node.kind === 'event') return runEvent(schedule, task, node);
  return node.kind === 'agent' ? runAgent(schedule, task, node) : runQuestion(schedule, task, node);
}

function runFunction(
  schedule: Scheduling,
  task: Call,
  node: Extract<Node, { kind: 'function' }>,
): undefined | Promise<Blocked | undefined> {
  const since = Date.now();
  const { scope } = schedule;
  const span = scope.trace?.node(task.step, { call: task.id, name: task.name });
  const ctx = new Context(scope, task, node, itemOf(task));
  const afterSteps = (then: () => undefined | Promise<undefined>): undefined | Promise<Blocked | undefined> => {
    // a limit is not the node's failure, even if the function caught it: the node runs again once the limit is raised
    const ended = (): undefined | Promise<Blocked | undefined> => {
      if (!ctx.crossing || ctx.trouble) return then();
      span?.end({ error: { code: 'LIMIT_REACHED' } });
      return Promise.resolve(ctx.crossing);
    };
    const steps = ctx.ended();
    return steps ? unlessHalted(steps, scope.cancel).then(ended) : ended();
  };
  const failed = async (thrown: unknown): Promise<Blocked | undefined> => {
    if (thrown instanceof Halted) throw thrown;
    return afterSteps(() => {
      // a journal error is not the node's failure, even if the function caught it and then failed
      if (ctx.trouble) throw ctx.trouble.error;
      return fail(schedule, task, thrown, span);
    });
  };
  let result: unknown;
  try {
    result = span ? span.run(() => node.run(schedule.state, ctx)) : node.run(schedule.state, ctx);
  } catch (error) {
    return failed(error);
  }
  if (!isThenable(result)) return afterSteps(() => end(schedule, task, result, since, span));
  return unlessHalted(result, scope.cancel).then((update) => afterSteps(() => end(schedule, task, update, since, span)), failed);
}

async function runAgent(
  schedule: Scheduling,
  task: Call,
  { agent, input, output }: Extract<Node, { kind: 'agent' }>,
): Promise<Left | undefined> {
  const since = Date.now();
  const { scope } = schedule;
  const given = () => {
    try {
      assertDepth(scope);
      const value = keep(input(schedule.state, itemOf(task))) ?? null;
      if (agent.input || !isConversation(value)) return { input: value };
      const asked = inputOf(value, (why) => new Error(`its input cannot be taken: ${why}.`));
      return { input: asked.input, history: asked.earlier };
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
      // the agent has ended: a node that can be resumed would run it again
      const failure: Failure = { ...nodeFailure(task, error), retryable: false, outcome: 'failed' };
      return () => [schedule.failure(task, failure)];
    }
  };
  return driveChild(scope, { call: task, agent, given, closing, fatal: true });
}

async function runQuestion(schedule: Scheduling, task: Call, node: Extract<Node, { kind: 'ask' }>): Promise<Left | undefined> {
  const since = Date.now();
  const { scope } = schedule;
  const now = await scope.host.now();
  const { approval } = task;
  if (!approval) return askPerson(schedule, task, node, now, node.rule);
  assertBound(scope.run.runId, task);
  const decision = approval.decided?.decision;
  if (decision?.type !== 'respond') {
    const { expiresAt } = approval.asked;
    if (expiresAt === undefined || now < expiresAt) return { waiting: true };
    return fail(schedule, task, new ToolError('APPROVAL_EXPIRED', `node "${task.name}" got no answer in time.`));
  }
  const valid = await judged(node.answer.schema, copyJson(decision.answer), scope.cancel);
  // decide() checks only the JSON Schema. Checks in the schema's own code run here, so if one fails the person is asked again
  if (!valid.ok) return askPerson(schedule, task, node, now, { ...node.rule, reason: `The last answer does not fit: ${valid.problem}.` });
  return endWaited(schedule, task, since, () => node.output(valid.value, schedule.state));
}

/** Asks a person the node's question. */
async function askPerson(
  schedule: Scheduling,
  task: Call,
  node: Extract<Node, { kind: 'ask' }>,
  now: number,
  rule: ApprovalRule,
): Promise<Blocked | undefined> {
  const { scope } = schedule;
  let question: string;
  try {
    question = String(atOnce(node.ask(schedule.state, itemOf(task))));
  } catch (error) {
    return fail(schedule, task, error);
  }
  await scope.append(() => [request(scope.run.runId, task, { rule, question: { question, answer: node.answer.json } }, now)]);
  return { waiting: true };
}
