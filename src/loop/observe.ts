import { ToolError } from '../errors.ts';
import { seenOf } from '../journal/fold/conversation.ts';
import type { ModelRequest } from '../ports/model.ts';
import { messageOf } from '../reliability/classify.ts';
import { inTime } from '../reliability/patience.ts';
import { choiceOf } from './model/tool-choice.ts';
import { blockOf, type Recalled, recallable, recalled } from './remembered.ts';
import { isStale, relist } from './tools/offered.ts';
import type { LoopDefinition, LoopScope, Scope } from './types.ts';

/** Milliseconds that instructions may take. */
const HOOK_TIMEOUT = 30_000;

/**
 * Observe: makes the model request of the next step. Results of user code in it (instructions, recalled memory) are journaled when they
 * change, before they are used.
 */
export function observe(scope: LoopScope): ModelRequest | Promise<ModelRequest> {
  const dynamic = typeof scope.agent.instructions === 'function';
  const recall = scope.memory && recallable(scope);
  const stale = scope.frame.waiting.length > 0 || (scope.agent.sources.length > 0 && isStale(scope));
  // a choice may apply to the first step only
  if (scope.request?.toolChoice !== undefined && scope.request.toolChoice !== choiceOf(scope)) scope.request = undefined;
  return dynamic || recall || stale ? refresh(scope) : (scope.request ?? assemble(scope));
}

async function refresh(scope: LoopScope): Promise<ModelRequest> {
  if (isStale(scope)) await relist(scope);
  const { agent, frame } = scope;
  if (frame.waiting.length > 0) await scope.append(() => [{ type: 'context.changed', heard: frame.waiting.length }]);
  const changed: { instructions?: string } & Partial<Recalled> = {};
  if (typeof agent.instructions === 'function') {
    const text = await instructed(agent.instructions, scope);
    if (text !== frame.instructions) changed.instructions = text;
  }
  const memory = recallable(scope);
  if (memory) Object.assign(changed, await recalled(memory, scope));
  if (Object.keys(changed).length > 0) {
    await scope.append(() => [{ type: 'context.changed', ...changed }]);
    scope.request = undefined;
  }
  return scope.request ?? assemble(scope);
}

async function instructed(instructions: Exclude<LoopDefinition['instructions'], string>, { run, cancel }: Scope): Promise<string> {
  try {
    const text = await inTime(
      instructions({ context: run.started.context ?? {}, session: run.started.session }),
      HOOK_TIMEOUT,
      'the instructions',
      cancel,
    );
    if (typeof text === 'string') return text;
    throw new Error(`they returned ${typeof text}, not a text`);
  } catch (error) {
    throw new ToolError('INSTRUCTIONS_FAILED', `the agent's instructions could not be made: ${messageOf(error)}`, { cause: error });
  }
}

/** The request from what the journal has. */
export function assemble(scope: LoopScope): ModelRequest {
  const { agent, frame, tools } = scope;
  const { instructions, memory } = frame;
  const messages = seenOf(frame);
  const toolChoice = choiceOf(scope);
  const said = instructions ?? staticInstructions(agent);
  scope.request = {
    instructions: memory?.length ? `${said}\n\n${blockOf(memory)}` : said,
    messages,
    tools: [...tools.values()].flatMap((tool) => (tool.hidden ? [] : [tool.spec])),
    ...(toolChoice !== undefined && { toolChoice }),
    ...(agent.output && { output: agent.output.json }),
  };
  return scope.request;
}

const staticInstructions = (agent: LoopDefinition) => (typeof agent.instructions === 'string' ? agent.instructions : '');
