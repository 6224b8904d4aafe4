/** What the model is shown: the messages of a frame. */
import { isSameJson, type Json } from '../json.ts';
import type { Message, Part, ToolResultPart } from '../ports/model.ts';
import { argumentsOf } from './frame.ts';
import type { Call, Frame, RunFold } from './state.ts';

/** Adds a message, and its characters to the run's size. */
export function say(run: RunFold, frame: Frame, message: Message): void {
  frame.messages.push(message);
  for (const part of message.content) run.size += charsOf(part);
}

const REFUSED: Part = { type: 'text', text: "(Left out here: a filter of the model's provider refused it.)" };

/**
 * Blanks everything since the newest answer. A provider refused that, and would refuse it in every later request. Results of calls stay
 * results, so that the model still knows what it did.
 */
export function leaveOut({ messages }: Frame): void {
  const from = messages.findLastIndex(({ role }) => role === 'assistant') + 1;
  for (let i = from; i < messages.length; i++) {
    const { role, content } = messages[i] as Message;
    const left = content.map((part): Part => (part.type === 'toolResult' ? { ...part, output: [REFUSED] } : REFUSED));
    messages[i] = { role, content: role === 'user' ? [REFUSED] : left };
  }
}

/** The conversation in a form that a later run of the session can continue: every call has a result. */
export function closedMessages(run: RunFold): readonly Message[] {
  const { messages, calls, unfinished } = run.root;
  return unfinished > 0 ? [...messages, { role: 'tool', content: calls.map(resultPart) }] : messages;
}

/** What the model is told of a call. Of an unfinished one it is told that the run ended first. */
export function resultPart(call: Call): ToolResultPart {
  const { finished, providerId: id } = call;
  if (!finished) {
    const outcome = call.status === 'started' && call.effect !== 'read' ? 'unknown' : 'not-run';
    return { type: 'toolResult', id, output: [{ type: 'text', text: JSON.stringify({ code: 'RUN_ENDED', outcome }) }], isError: true };
  }
  const edited = call.edited && !isSameJson(call.edited.input, call.input) ? call.edited : undefined;
  if (finished.error) {
    const told = edited ? { ...finished.error, arguments: editText(call, edited) } : finished.error;
    return { type: 'toolResult', id, output: [{ type: 'text', text: JSON.stringify(told) }], isError: true };
  }
  const output = finished.content ?? outputParts(finished.output);
  return { type: 'toolResult', id, output: edited ? [{ type: 'text', text: `[${editText(call, edited)}]` }, ...output] : output };
}

/** Longest arguments that are quoted to the model, in characters. */
const MAX_EDIT = 16_384;

/** Without this the model would believe that its own arguments were used. */
function editText(call: Call, { note }: { note?: string | undefined }): string {
  const json = JSON.stringify(argumentsOf(call));
  const told = json.length > MAX_EDIT ? `${json.slice(0, MAX_EDIT)} (cut)` : json;
  return `A person changed the arguments of this call. In place of yours, these were used: ${told}${note ? `. Their note: ${note}` : ''}`;
}

/** What a model reads of an output: a text as it is, any other value as JSON. */
export const outputParts = (output: Json | undefined): readonly Part[] => [
  { type: 'text', text: typeof output === 'string' ? output : output === undefined ? 'null' : JSON.stringify(output) },
];

/** The prompt of an input: a text or a list of parts as it is, any other value as JSON. */
export function promptParts(input: Json): readonly Part[] {
  if (typeof input === 'string') return [{ type: 'text', text: input }];
  if (Array.isArray(input) && input.every((part) => typeof (part as { type?: unknown } | null)?.type === 'string'))
    return input as readonly Part[];
  return [{ type: 'text', text: JSON.stringify(input) }];
}

/** Without a walk over its JSON, since each message is counted. */
function charsOf(part: Part): number {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return part.text.length;
    case 'image':
    case 'document':
      return part.data.length;
    case 'toolResult': {
      let chars = 0;
      for (const inner of part.output) chars += charsOf(inner);
      return chars;
    }
    default:
      return 0;
  }
}
