/** Applies the `step` wrappers to a request, checks the result, and journals the difference when it changes. */
import { ToolError } from '../../errors.ts';
import type { Reshaped } from '../../journal/entries/entries.ts';
import { plainJson } from '../../json.ts';
import type { Message, ModelRequest } from '../../ports/model.ts';
import { messageOf } from '../../reliability/classify.ts';
import { Halted, inTime } from '../../reliability/patience.ts';
import type { LoopScope } from '../types.ts';
import { infoOf } from './wrapping.ts';

/** Milliseconds that each wrapper may take. */
const HOOK_TIMEOUT = 30_000;

/** @returns the request after all wrappers. @throws ToolError `MIDDLEWARE_FAILED` if a wrapper throws, hangs or returns an invalid request. */
export async function reshape(scope: LoopScope, request: ModelRequest): Promise<ModelRequest> {
  const { frame, plan, cancel, secrets } = scope;
  const info = infoOf(scope, frame.step + 1);
  let made = request;
  for (const wrapper of plan.stepWrappers) {
    try {
      const given = { ...made, messages: [...made.messages], tools: [...made.tools] };
      made = checked(request, await inTime(wrapper(given, info), HOOK_TIMEOUT, 'a use.step wrapper', cancel));
    } catch (error) {
      if (error instanceof Halted) throw error;
      throw new ToolError('MIDDLEWARE_FAILED', `a use.step wrapper failed: ${messageOf(error, scope.secrets.mask)}`, {
        cause: error,
      });
    }
  }
  const difference = differenceOf(request, made);
  const told = difference && secrets.maskJson(difference);
  if (JSON.stringify(told) !== JSON.stringify(frame.reshaped))
    await scope.append(() => [{ type: 'context.changed', reshaped: told ?? null }]);
  return difference ? made : request;
}

/** The request that a wrapper returned, with the original output and tool choice. @throws Error that says what is invalid. */
function checked(original: ModelRequest, returned: ModelRequest): ModelRequest {
  if (typeof returned !== 'object' || returned === null) throw new Error('it returned no request');
  const { instructions, messages, tools } = returned;
  if (typeof instructions !== 'string') throw new Error('the instructions that it returned are not a text');
  if (!Array.isArray(messages) || !Array.isArray(tools)) throw new Error('it returned a request without a list of messages or of tools');
  const known = new Map(original.tools.map((tool) => [tool.name, tool]));
  const kept = tools.map((tool: { name?: unknown } | undefined) => {
    const own = known.get(String(tool?.name));
    if (!own) throw new Error(`it offers the tool "${String(tool?.name)}", which the agent does not have in this step`);
    return own;
  });
  const choice = original.toolChoice;
  if (typeof choice === 'object' && !kept.some(({ name }) => name === choice.tool))
    throw new Error(`it left out the tool "${choice.tool}" that the model must call`);
  const mine = new Set<Message>(original.messages);
  const own = messages.map((message: Message) => (mine.has(message) ? message : (plainJson(message) as Message)));
  const problem = conversationProblem(own);
  if (problem) throw new Error(`the messages that it returned make no sense: ${problem}`);
  return { ...original, instructions, messages: own, tools: kept };
}

/** Why a conversation is invalid. Providers refuse a call without a result, and a result without a call. */
function conversationProblem(messages: readonly Message[]): string | undefined {
  if (messages.length === 0) return 'there are none';
  let open: readonly string[] = [];
  for (const message of messages) {
    const { role, content } = message ?? {};
    if (!['user', 'assistant', 'tool'].includes(role) || !Array.isArray(content)) return 'a message is { role, content: [parts] }';
    const results = content.flatMap((part) => (part?.type === 'toolResult' ? [part.id] : []));
    if ((role === 'tool') !== results.length > 0) return 'results of calls belong into messages of the role "tool", and nothing else does';
    if (open.length !== results.length || open.some((id) => !results.includes(id)))
      return open.length > 0
        ? `the result of call ${open.find((id) => !results.includes(id)) ?? open[0]} is missing`
        : `the call of result ${results[0]} is missing`;
    open = role === 'assistant' ? content.flatMap((part) => (part?.type === 'toolCall' ? [part.id] : [])) : [];
  }
  return open.length > 0 ? `the result of call ${open[0]} is missing` : undefined;
}

/** The difference between two requests; undefined if there is none. */
function differenceOf(original: ModelRequest, made: ModelRequest): Reshaped | undefined {
  const { messages: before } = original;
  const { messages: after } = made;
  const shorter = Math.min(before.length, after.length);
  let same = 0;
  while (same < shorter && before.at(-1 - same) === after.at(-1 - same)) same++;
  // a wrapper that appends a message must not make each step store the whole conversation
  let from = 0;
  while (from < shorter - same && before[from] === after[from]) from++;
  const replaced = before.length - same - from;
  const added = after.slice(from, after.length - same);
  const tools = made.tools.map(({ name }) => name);
  const difference: Reshaped = {
    ...(made.instructions !== original.instructions && { instructions: made.instructions }),
    ...((tools.length !== original.tools.length || original.tools.some(({ name }, i) => name !== tools[i])) && { tools }),
    ...(from > 0 && { from }),
    ...(replaced > 0 && { replaced }),
    ...(added.length > 0 && { messages: added }),
  };
  return Object.keys(difference).length > 0 ? difference : undefined;
}
