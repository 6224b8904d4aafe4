/** The limit `repeats`: an agent that makes the same call with the same result again and again is stuck, and would go on until another limit. */
import { isSameJson } from '../json.ts';
import type { Message, ToolCallPart, ToolResultPart } from '../ports/model.ts';
import type { Crossing, Scope } from './types.ts';

/** @param limiting the scopes with the limit. @returns that which the frame has reached: its own, or one of a frame above. */
export function repetition(scope: Scope, limiting: readonly Scope[]): Crossing | undefined {
  let found: Crossing | undefined;
  const made = mostRepeated(scope.frame.messages);
  for (const at of limiting) {
    const max = at.limits.repeats as number;
    if (found && max >= found.crossed.max) continue;
    if (made.times >= max) found = { crossed: { name: 'repeats', max, used: made.times, tool: made.tool }, at };
  }
  return found;
}

interface Repeated {
  times: number;
  tool: string;
}

type Done = { call: ToolCallPart; result: ToolResultPart };

/** Steps of the longest round that is looked for: an agent that is stuck goes back and forth between a few calls. */
const LONGEST_ROUND = 4;

function mostRepeated(messages: readonly Message[]): Repeated {
  let most = repeated(messages, 1);
  for (let round = 2; round <= LONGEST_ROUND; round++) {
    const found = repeated(messages, round);
    if (found.times > most.times) most = found;
  }
  return most;
}

/**
 * How many rounds of so many steps in a row, up to the newest, had the same calls with the same results in the same places; of each place,
 * the call that had most counts. A message of a person ends the row: the agent may answer it with the same call.
 */
function repeated(messages: readonly Message[], round: number): Repeated {
  let most: Repeated = { times: 0, tool: '' };
  const left: (readonly Done[] | undefined)[] = [];
  for (let step = 0, i = messages.length - 1; i > 0; i -= 2, step++) {
    const done = stepAt(messages, i);
    const place = step % round;
    const still = left[place]?.filter((one) => done.some((other) => isSame(one, other))) ?? done;
    left[place] = still;
    if (still.length === 0) break;
    if (place === round - 1) most = { times: (step + 1) / round, tool: left[0]?.[0]?.call.name ?? '' };
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
