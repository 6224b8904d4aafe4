/** The limit `repeats`: an agent that makes the same call with the same result again and again is stuck, and would go on until another limit. */
import { isSameJson } from '../json.ts';
import type { Message, ToolCallPart, ToolResultPart } from '../ports/model.ts';
import type { Crossing, Scope } from './types.ts';

/** @returns the limit that the frame has reached: its own, or one of a frame above. Undefined if there is none. */
export function repetition(scope: Scope): Crossing | undefined {
  let found: Crossing | undefined;
  let made: Repeated | undefined;
  for (let at: Scope | undefined = scope; at; at = at.parent) {
    const max = at.limits.repeats;
    if (max === undefined || (found && max >= found.crossed.max)) continue;
    made ??= repeated(scope.frame.messages);
    if (made.times >= max) found = { crossed: { name: 'repeats', max, used: made.times, tool: made.tool }, at };
  }
  return found;
}

interface Repeated {
  times: number;
  tool: string;
}

type Done = { call: ToolCallPart; result: ToolResultPart };

/**
 * How many steps in a row, up to the newest, had the same call with the same result, of the call that had most. A message of a person ends
 * the row: the agent may answer it with the same call.
 */
function repeated(messages: readonly Message[]): Repeated {
  let most: Repeated = { times: 0, tool: '' };
  let left: readonly Done[] | undefined;
  for (let times = 1, i = messages.length - 1; i > 0; i -= 2, times++) {
    const done = stepAt(messages, i);
    left = left ? left.filter((one) => done.some((other) => isSame(one, other))) : done;
    const [first] = left;
    if (!first) break;
    most = { times, tool: first.call.name };
  }
  return most;
}

/** The calls of the step whose results are the message `i`. */
function stepAt(messages: readonly Message[], i: number): readonly Done[] {
  const [asked, results] = [messages[i - 1], messages[i]];
  if (asked?.role !== 'assistant' || results?.role !== 'tool') return [];
  return asked.content.flatMap((call) => {
    if (call.type !== 'toolCall') return [];
    const result = results.content.find((part): part is ToolResultPart => part.type === 'toolResult' && part.id === call.id);
    return result ? [{ call, result }] : [];
  });
}

const isSame = (a: Done, b: Done): boolean =>
  a.call.name === b.call.name &&
  isSameJson(a.call.input, b.call.input) &&
  (a.result.isError ?? false) === (b.result.isError ?? false) &&
  isSameJson(a.result.output, b.result.output);
