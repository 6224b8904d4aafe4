/** The conversation of a frame: the messages that the model sees. */
import { isSameJson, type Json } from '../../json.ts';
import type { Message, Part, ToolResultPart } from '../../ports/model.ts';
import { argumentsOf } from './frame.ts';
import type { Call, Frame, RunFold } from './state.ts';

/** The messages that the model sees. */
export const seenOf = ({ seen, messages }: Pick<Frame, 'seen' | 'messages'>): readonly Message[] => seen?.messages ?? messages;

/** Appends a message and adds its characters to the run's size. */
export function say(run: RunFold, frame: Frame, message: Message): void {
  frame.seen?.messages.push(message);
  frame.seen?.at.push(frame.messages.length);
  frame.messages.push(message);
  for (const part of message.content) run.size += charsOf(part);
}

const REFUSED: Part = { type: 'text', text: "(Left out here: a filter of the model's provider refused it.)" };

/**
 * Blanks the content since the newest answer, because a provider refused it and would refuse it in every later request. The results of
 * calls are blanked but remain, so that the model still knows what it did.
 */
export function leaveOut({ messages, seen }: Frame): void {
  const from = messages.findLastIndex(({ role }) => role === 'assistant') + 1;
  for (let i = from; i < messages.length; i++) {
    const { role, content } = messages[i] as Message;
    const left = content.map((part): Part => (part.type === 'toolResult' ? { ...part, output: [REFUSED] } : REFUSED));
    messages[i] = { role, content: role === 'user' ? [REFUSED] : left };
    const shown = seen?.at.indexOf(i) ?? -1;
    if (seen && shown >= 0) seen.messages[shown] = messages[i] as Message;
  }
}

/**
 * The conversation in a form that a later run of the session can continue: every call has a result.
 * @param messages those that the model sees, or all of them.
 */
export function closedMessages(run: RunFold, messages: readonly Message[] = seenOf(run.root)): readonly Message[] {
  const { calls, unfinished } = run.root;
  if (unfinished === 0) return messages;
  const goesOn = run.status === 'running' || run.status === 'paused';
  return [...messages, { role: 'tool', content: calls.map((call) => (goesOn && waitingPart(call)) || resultPart(call)) }];
}

/** The result, for a later run, of a call that still waits. */
function waitingPart({ finished, wait, providerId: id }: Call): ToolResultPart | undefined {
  if (finished || !wait) return undefined;
  const { event, until } = wait.began;
  const told = { waiting: true, ...(event && { event: event.name, key: event.key }), until: new Date(until).toISOString() };
  return { type: 'toolResult', id, output: [{ type: 'text', text: JSON.stringify(told) }] };
}

/** The result of a call for the model. For an unfinished call it says that the run ended first. */
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

/** Most characters of edited arguments that are quoted to the model. */
const MAX_EDIT = 16_384;

/** Tells the model that a person edited its arguments. Otherwise it would assume that its own were used. */
function editText(call: Call, { note }: { note?: string | undefined }): string {
  const json = JSON.stringify(argumentsOf(call));
  const told = json.length > MAX_EDIT ? `${json.slice(0, MAX_EDIT)} (cut)` : json;
  return `A person changed the arguments of this call. In place of yours, these were used: ${told}${note ? `. Their note: ${note}` : ''}`;
}

/** An output as the model sees it: text unchanged, any other value as JSON. */
export const outputParts = (output: Json | undefined): readonly Part[] => [
  { type: 'text', text: typeof output === 'string' ? output : output === undefined ? 'null' : JSON.stringify(output) },
];

/** An input as a prompt: text or a list of parts unchanged, any other value as JSON. */
export function promptParts(input: Json): readonly Part[] {
  if (typeof input === 'string') return [{ type: 'text', text: input }];
  if (Array.isArray(input) && input.every((part) => typeof (part as { type?: unknown } | null)?.type === 'string'))
    return input as readonly Part[];
  return [{ type: 'text', text: JSON.stringify(input) }];
}

/** The size of a part in characters. It does not walk the JSON, because it runs for each message. */
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
