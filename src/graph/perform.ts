/** One node: a function, an agent, or a question. */
import { ToolError } from '../errors.ts';
import { request } from '../hitl/approvals.ts';
import type { Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import { copyJson, type Json } from '../json.ts';
import { type Blocked, driveChild } from '../loop/child.ts';
import { assertDepth } from '../loop/delegation.ts';
import type { End } from '../loop/scope.ts';
import { unlessHalted } from '../reliability/patience.ts';
import { isThenable } from '../reliability/timeout.ts';
import { validate } from '../schema.ts';
import type { NodeTrace } from '../telemetry/trace.ts';
import { Context } from './context.ts';
import type { Node } from './definition.ts';
import { failureOf } from './failure.ts';
import type { Schedule } from './schedule.ts';
import { keep } from './state.ts';

/** Runs a node's task. @returns why it did not end, where it waits. What it throws is the engine's trouble, or a failure of the node. */
export function perform(schedule: Schedule, task: Call): undefined | Promise<Blocked | undefined> {
  const node = schedule.graph.nodes.get(task.name);
  if (!node) throw new ToolError('NODE_NOT_FOUND', `graph "${schedule.graph.name}" has no node "${task.name}" any more.`);
  // one that had failed is begun anew
  if (task.status === 'finished') return again(schedule, task, node);
  if (node.kind === 'function') return call(schedule, task, node);
  return node.kind === 'agent' ? hand(schedule, task, node) : question(schedule, task, node);
}

async function again(schedule: Schedule, task: Call, node: Node): Promise<Blocked | undefined> {
  await schedule.scope.append(() => [{ type: 'call.started', call: task.id, effect: 'idempotent' }]);
  if (node.kind === 'function') return call(schedule, task, node);
  return node.kind === 'agent' ? hand(schedule, task, node) : question(schedule, task, node);
}

const itemOf = (task: Call): Json | undefined => (task.input === null ? undefined : task.input);

function call(schedule: Schedule, task: Call, node: Extract<Node, { kind: 'function' }>): undefined | Promise<undefined> {
  const since = Date.now();
  const { scope } = schedule;
  const span = scope.trace.node(task.step, { call: task.id, name: task.name });
  let result: unknown;
  try {
    result = span.run(() => node.run(schedule.state, new Context(scope, task, itemOf(task))));
  } catch (error) {
    return fail(schedule, task, error, span);
  }
  if (!isThenable(result)) return end(schedule, task, result, since, span);
  return unlessHalted(result, scope.cancel).then(
    (update) => end(schedule, task, update, since, span),
    (error) => fail(schedule, task, error, span),
  );
}

/** Takes an update, or fails the node where it cannot be taken. A store that fails is no failure of the node. */
function end(schedule: Schedule, task: Call, update: unknown, since: number, span?: NodeTrace): undefined | Promise<undefined> {
  let drafts: readonly Draft[];
  try {
    drafts = schedule.ending(task, update, since);
  } catch (error) {
    return fail(schedule, task, error, span);
  }
  const pending = schedule.scope.append(() => drafts);
  if (pending) return pending.then(() => span?.end({}) as undefined);
  span?.end({});
  return undefined;
}

async function fail(schedule: Schedule, task: Call, thrown: unknown, span?: NodeTrace): Promise<undefined> {
  await schedule.failed(task, thrown);
  span?.end({ error: failureOf(thrown) });
  return undefined;
}

async function hand(
  schedule: Schedule,
  task: Call,
  { agent, input, output }: Extract<Node, { kind: 'agent' }>,
): Promise<Blocked | undefined> {
  const since = Date.now();
  const { scope } = schedule;
  let given: Json = null;
  if (!task.frame) {
    try {
      assertDepth(scope);
      given = keep(input(schedule.state, itemOf(task))) ?? null;
    } catch (error) {
      return schedule.failed(task, error);
    }
  }
  const closing = (ended: End): readonly Draft[] => {
    if (!ended.ok) return [schedule.failure(task, ended.error)];
    try {
      return schedule.ending(task, output(copyJson(ended.output), schedule.state), since, { output: ended.output });
    } catch (error) {
      return [schedule.failure(task, failureOf(error))];
    }
  };
  return driveChild(scope, { call: task, agent, given: () => ({ input: given }), closing });
}

async function question(schedule: Schedule, task: Call, node: Extract<Node, { kind: 'ask' }>): Promise<Blocked | undefined> {
  const since = Date.now();
  const { scope, state } = schedule;
  const { approval } = task;
  const now = await scope.host.now();
  if (!approval) {
    try {
      const text = String(node.ask(state, itemOf(task)));
      const asked = request(scope.run.runId, task, { rule: node.rule, question: { question: text, answer: node.answer.json } }, now);
      await scope.append(() => [asked]);
      return { waiting: true };
    } catch (error) {
      return schedule.failed(task, error);
    }
  }
  schedule.assertBound(task);
  const decision = approval.decided?.decision;
  if (decision?.type === 'respond') {
    const valid = await validate(node.answer.schema, copyJson(decision.answer));
    if (!valid.ok)
      return schedule.failed(task, new ToolError('ANSWER_INVALID', `the answer does not fit node "${task.name}": ${valid.problem}.`));
    let update: unknown;
    try {
      update = node.output(valid.value, schedule.state);
    } catch (error) {
      return schedule.failed(task, error);
    }
    return end(schedule, task, update, since);
  }
  const { expiresAt } = approval.asked;
  if (expiresAt !== undefined && now >= expiresAt)
    return schedule.failed(task, new ToolError('APPROVAL_EXPIRED', `nobody answered node "${task.name}" in time.`));
  return { waiting: true };
}
