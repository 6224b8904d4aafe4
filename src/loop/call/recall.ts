/** Recall: decides what to do with a call that had started when its process stopped. */
import { failedOnce } from '../../errors.ts';
import { parse, parseAgain } from '../../hitl/arguments.ts';
import { contextOf } from '../../hitl/gate.ts';
import type { Call, Frame } from '../../journal/fold/fold.ts';
import { writtenOf } from '../../journal/fold/frame.ts';
import type { CheckResult } from '../../ports/tool.ts';
import { Halted, inTime, unlessHalted } from '../../reliability/patience.ts';
import { warnOnce } from '../../reliability/warn.ts';
import type { Scope, ToolDefinition } from '../types.ts';
import type { Prepared } from './call.ts';
import { chargeOf } from './charge.ts';
import { credentials } from './credentials.ts';
import { idempotencyKey, knownOf } from './effects.ts';
import { bare, lookUpIntent } from './intent.ts';
import { observed } from './output.ts';

/** Milliseconds that a tool's `check` may take. */
const CHECK_TIMEOUT = 60_000;

/** The known outcome of the call. Otherwise it runs again if it may run twice, or is known not to have run. */
export function recall(scope: Scope, call: Call, tool: ToolDefinition | undefined): Prepared | Promise<Prepared> {
  if (!call.frame) return recalled(scope, call, tool);
  // a tool that has the name now was not asked for, so it must not run in place of the agent
  if (!tool?.delegate) return agentGone(call.frame, call.name);
  // a sub-agent continues in its frame
  const input = writtenOf(call);
  return { go: 'start', resumed: true, tool, input, value: input, shown: input, exact: true, context: undefined };
}

/**
 * In this order: what the journal knows of it; the tool's `check`; the claim of its key, which another run may have taken; its credentials. A step
 * that cannot be taken again leaves the outcome unknown, and the call is refused instead of repeated.
 */
async function recalled(scope: Scope, call: Call, tool: ToolDefinition | undefined): Promise<Prepared> {
  const known = knownOf(call, call.effect ?? 'read');
  if (known.outcome === 'done') return { go: 'answer', output: known.output };
  if (known.outcome === 'failed') return { go: 'refuse', error: failedOnce('TOOL_FAILED', known.message) };
  if (!tool) return lostTrack(call, ', and the tool is no longer there to find out what it did.');
  const input = writtenOf(call);
  const { input: schema } = tool.options;
  const parsing = call.agreed ? parseAgain(schema, input, call.agreed.input, true) : parse(schema, input);
  const valid = await unlessHalted(Promise.resolve(parsing), scope.cancel);
  if (!valid.ok) return lostTrack(call, `, and the tool no longer takes these arguments: ${valid.problem}.`);
  const needed = contextOf(tool, scope.run.started.context);
  if (!needed.ok) return lostTrack(call, `, and the context of the run lacks what the tool needs: ${needed.problem}.`);
  const context = needed.value;
  if (known.outcome === 'unknown') {
    const answer = await checked(scope, tool, call, { input: () => valid.value, context });
    if (answer?.outcome === 'done') {
      const seen = observed(tool, answer.output, scope.secrets);
      return { go: 'answer', ...seen, ...chargeOf(tool, answer.output, scope.secrets.mask) };
    }
    if (answer?.outcome !== 'not-run') return lostTrack(call, '. It may have taken effect: do not repeat it, find out first.');
  }
  // another run may have taken the claim over, and done it
  const looked = call.intent && (await lookUpIntent(scope, tool, call, bare(call.intent), valid.shown));
  if (looked && looked.go !== 'claim') return looked;
  const got = tool.options.credentials ? await unlessHalted(credentials(scope, tool, undefined, true), scope.cancel) : undefined;
  if (got && !got.ok) return lostTrack(call, ', and its credentials could not be had again.');
  const intent = looked && {
    ...looked.intent,
    ...(call.intent?.over && { over: call.intent.over }),
    ...(tool.effect !== 'once' && { doubt: true as const }),
  };
  const had = got && { credentials: got.values, expiresAt: got.expiresAt, handedOut: got.handedOut };
  return { go: 'start', ...valid, tool, input, context, resumed: true, intent, amount: call.worth, ...had };
}

/** The refusal of a call whose sub-agent had begun and is not declared any more. Its calls may have had effects, which are in the ledger. */
const agentGone = ({ acted }: Frame, name: string): Prepared => ({
  go: 'refuse',
  error: failedOnce(
    'TOOL_NOT_FOUND',
    `There is no agent "${name}" any more. It had begun and cannot go on, so it gives no answer${acted ? '. What it did until then may have taken effect: do not repeat it, find out first' : ''}.`,
    acted ? 'unknown' : 'failed',
  ),
});

/**
 * The answer of the tool's `check`; undefined if it has none, failed, took too long, or gave no answer that there is. So it is where its input
 * cannot be had again. @throws Halted
 */
export async function checked(
  scope: Scope,
  { name, options }: ToolDefinition,
  call: Call,
  { input, context }: { input: () => unknown; context: unknown },
): Promise<CheckResult<unknown> | undefined> {
  try {
    const { by, session } = scope.run.started;
    const asking = async () => {
      const asked = { input: await input(), context, idempotencyKey: idempotencyKey(scope, call), by, session };
      return options.check?.(asked, { signal: scope.cancel.signal });
    };
    const answer = await unlessHalted(inTime(asking(), CHECK_TIMEOUT, 'the check', scope.cancel), scope.cancel);
    if (!options.check || isAnswer(answer)) return answer;
    warnOnce(
      options,
      'check',
      `the check of tool "${name}" gave no answer that there is, so it is unknown what the call did. It returns { outcome: 'done', output }, { outcome: 'not-run' } or { outcome: 'unknown' }.`,
    );
    return undefined;
  } catch (error) {
    if (error instanceof Halted) throw error;
    return undefined;
  }
}

/** Anything else, such as `true`, says nothing: taken for one of them, it would be booked as what happened. */
function isAnswer(answer: unknown): answer is CheckResult<unknown> {
  const { outcome } = (typeof answer === 'object' && answer !== null ? answer : {}) as { outcome?: unknown };
  return outcome === 'done' || outcome === 'not-run' || outcome === 'unknown';
}

/** The refusal of a call of which nothing more can be found out. Only for a `once` call the code says that it may have had its effect. */
const lostTrack = ({ name, effect }: Call, why: string): Prepared => ({
  go: 'refuse',
  error: failedOnce(
    effect === 'once' ? 'OUTCOME_UNKNOWN' : 'TOOL_NOT_FOUND',
    `The process stopped while ${name} ran${why}`,
    effect === 'read' ? 'failed' : 'unknown',
  ),
});
