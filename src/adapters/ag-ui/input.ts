/** The input of AG-UI: what a client sends, and what of it the agent gets. */
import type { ContentPart, Message, RunAgentInput } from '@ag-ui/core';
import { RunAgentInputSchema } from '@ag-ui/core/schemas';
import type { Json } from '../../json.ts';
import type { Part, Prompt } from '../../ports/model.ts';
import { HttpError } from '../../server/errors.ts';

/** Most problems that an error names. */
const MOST_PROBLEMS = 3;

/** @throws HttpError 400 if the body is not a `RunAgentInput`. */
export function checkInput(body: Json): RunAgentInput {
  const { success, data, error } = RunAgentInputSchema.safeParse(body);
  if (success) return data as RunAgentInput;
  const problems = error.issues.slice(0, MOST_PROBLEMS).map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`);
  throw new HttpError(400, `The body is a RunAgentInput of AG-UI. ${problems.join('; ')}.`);
}

/** Roles of messages that a client may add after what the user said. */
const ASIDE: readonly string[] = ['system', 'developer', 'activity', 'reasoning'];

/** What the user said last; undefined if something else was said since. The messages before it are not read: the journal has them. */
export function newestOf(messages: readonly Message[]): Prompt | undefined {
  const last = messages.findLast(({ role }) => !ASIDE.includes(role));
  return last?.role === 'user' ? promptOf(last.content) : undefined;
}

function promptOf(content: string | readonly ContentPart[]): Prompt {
  if (typeof content === 'string') return content;
  const parts = content.map(partOf);
  const [only] = parts;
  return parts.length === 1 && only?.type === 'text' ? only.text : parts;
}

/** The address of a file is passed on as text, not fetched: a caller must not choose what the server connects to. */
function partOf(part: ContentPart): Part {
  if (part.type === 'text') return { type: 'text', text: part.text };
  const { type, source } = part;
  if (source.type !== 'data') return { type: 'text', text: `[${type} at ${source.value}]` };
  if (type !== 'image' && type !== 'document') throw new HttpError(400, `Agents take text, images and documents, not ${type}.`);
  return { type, mediaType: source.mimeType, data: source.value };
}
