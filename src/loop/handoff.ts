import type { Json } from '../json.ts';
import { validate } from '../schema.ts';
import type { LoopScope, Settlement } from './types.ts';

/** Where a sub-agent took the conversation over and has answered, its answer is the end: nobody is asked again. */
export function handedOver(scope: LoopScope): Promise<Settlement> | undefined {
  const { agent, frame, tools } = scope;
  if (agent.agents.length === 0) return undefined;
  const call = frame.calls.find((c) => c.finished?.ok && tools.get(c.name)?.delegate?.handoff);
  return call && conclude(scope, call.finished?.output ?? null);
}

async function conclude(scope: LoopScope, output: Json): Promise<Settlement> {
  const { output: wanted } = scope.agent;
  const valid = wanted ? await validate(wanted.schema, output) : undefined;
  if (valid && !valid.ok) {
    const message = `the agent that took the conversation over gave an answer that does not fit the output schema: ${valid.problem}.`;
    return { status: 'failed', error: { code: 'OUTPUT_INVALID', message, retryable: false, attempts: 1, outcome: 'failed' } };
  }
  const closing = scope.closing({ ok: true, output });
  await scope.append(closing);
  return { status: 'completed', output, committed: true };
}
