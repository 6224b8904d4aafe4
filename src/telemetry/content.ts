import type { Json } from '../json.ts';
import type { Message, Part } from '../ports/model.ts';

/** Most characters of one text, and of one attribute that holds content. */
const TEXT = 4_096;
const ATTRIBUTE = 32_768;

export const clip = (text: string) => (text.length <= TEXT ? text : `${text.slice(0, TEXT)} [cut: ${text.length - TEXT} more characters]`);

/** JSON as an attribute. A long value is cut and marked at its end, so it is no longer valid JSON. */
export function jsonAttribute(value: Json | undefined): string | undefined {
  return value === undefined ? undefined : clip(JSON.stringify(value));
}

/** `gen_ai.system_instructions`. */
export const instructionsAttribute = (text: string): string => JSON.stringify([{ type: 'text', content: clip(text) }]);

/** `gen_ai.input.messages`: the newest messages that fit. Older ones are not read, so the cost does not grow with the run. */
export function messagesAttribute(messages: readonly Message[]): string {
  const kept: string[] = [];
  let room = ATTRIBUTE;
  for (let i = messages.length - 1; i >= 0; i--) {
    const { role, content } = messages[i] as Message;
    const text = JSON.stringify({ role, parts: content.map(toConvention) });
    room -= text.length;
    if (room < 0) {
      kept.push(JSON.stringify({ role: 'system', parts: [{ type: 'text', content: `[cut: ${i + 1} messages]` }] }));
      break;
    }
    kept.push(text);
  }
  return `[${kept.reverse().join(',')}]`;
}

/** `gen_ai.output.messages`: one message, the answer. */
export const answerAttribute = (content: readonly Part[]): string => messagesAttribute([{ role: 'assistant', content }]);

/** A part in the shape of the conventions. Images and documents are named without their bytes. */
function toConvention(part: Part): Json {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return { type: part.type, content: clip(part.text) };
    case 'image':
    case 'document':
      return {
        type: part.type,
        mime_type: part.mediaType,
        ...(part.name === undefined ? {} : { name: part.name }),
        size: part.data.length,
      };
    case 'toolCall':
      return { type: 'tool_call', id: part.id, name: part.name, arguments: bounded(part.input) };
    case 'toolResult':
      return { type: 'tool_call_response', id: part.id, response: part.output.map(toConvention) };
  }
}

function bounded(value: Json): Json {
  const text = JSON.stringify(value);
  return text.length <= TEXT ? value : clip(text);
}
