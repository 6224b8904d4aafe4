/** Recall: what a process that takes over makes of a call that had started when the last one stopped. */
import { parse, parseAgain } from '../hitl/arguments.ts';
import { contextOf } from '../hitl/gate.ts';
import type { Call } from '../journal/fold.ts';
import { writtenOf } from '../journal/frame.ts';
import { Halted, inTime, unlessHalted } from '../reliability/patience.ts';
import type { Prepared, Ready } from './call.ts';
import { credentials } from './credentials.ts';
import { idempotencyKey, keep } from './execute.ts';
import type { Scope, ToolDefinition } from './types.ts';

/** Milliseconds a tool's `check` may take. */
const CHECK_TIMEOUT = 60_000;

/** What is known of the call, or that it runs again: under its key, or where it is known that it did not run. */
export function recall(scope: Scope, call: Call): Prepared | Promise<Prepared> {
  const tool = scope.tools.get(call.name);
  if (!tool?.delegate) return recalled(scope, call, tool);
  // a sub-agent that was at work goes on where it was
  const input = writtenOf(call);
  return { go: 'start', resumed: true, tool, input, value: input, shown: input, exact: true, context: undefined };
}

async function recalled(scope: Scope, call: Call, tool: ToolDefinition | undefined): Promise<Prepared> {
  const once = call.effect === 'once';
  const lostTrack = (why: string): Prepared => ({
    go: 'refuse',
    error: {
      code: once ? 'OUTCOME_UNKNOWN' : 'TOOL_NOT_FOUND',
      message: why,
      retryable: false,
      attempts: 1,
      outcome: call.effect === 'read' ? 'failed' : 'unknown',
    },
  });
  const { settled } = call;
  if (settled?.outcome === 'done') return { go: 'answer', output: settled.output ?? null };
  if (settled?.outcome === 'failed')
    return {
      go: 'refuse',
      error: { code: 'TOOL_FAILED', message: settled.note ?? 'It failed.', retryable: false, attempts: 1, outcome: 'failed' },
    };
  if (!tool) return lostTrack(`The process stopped while ${call.name} ran, and the tool is no longer there to find out what it did.`);
  const input = writtenOf(call);
  const { input: schema } = tool.options;
  const parsing = call.agreed ? parseAgain(schema, input, call.agreed.input, true) : parse(schema, input);
  const valid = await unlessHalted(Promise.resolve(parsing), scope.cancel);
  if (!valid.ok)
    return lostTrack(`The process stopped while ${call.name} ran, and the tool no longer takes these arguments: ${valid.problem}.`);
  const checked = contextOf(tool, scope.run.started.context);
  if (!checked.ok)
    return lostTrack(`The process stopped while ${call.name} ran, and the run has not what the tool needs: ${checked.problem}.`);
  const context = checked.value;
  if (once && settled?.outcome !== 'not-run') {
    const unknown = lostTrack(
      `The process stopped while ${call.name} ran. Nobody knows whether it took effect: do not repeat it, find out first.`,
    );
    if (!tool.options.check) return unknown;
    try {
      const q = { idempotencyKey: idempotencyKey(scope, call), input: valid.value, context };
      const asked = async () => tool.options.check?.(q, { signal: scope.cancel.signal });
      const answer = await unlessHalted(inTime(asked(), CHECK_TIMEOUT, 'the check', scope.cancel), scope.cancel);
      if (answer?.outcome === 'done') return { go: 'answer', ...keep(scope, tool, answer.output) };
      if (answer?.outcome !== 'not-run') return unknown;
    } catch (error) {
      if (error instanceof Halted) throw error;
      return unknown;
    }
  }
  const got = tool.options.credentials ? await unlessHalted(credentials(scope, tool), scope.cancel) : undefined;
  if (got && !got.ok) return lostTrack(`The process stopped while ${call.name} ran, and its credentials could not be had again.`);
  const ready: Ready = { ...valid, tool, input, context, resumed: true, ...(got && { credentials: got.values }) };
  return { go: 'start', ...ready };
}
