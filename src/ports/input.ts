/** Checks the input of a run: a text, parts, or a conversation of the application. It is untrusted. */
import type { Json } from '../json.ts';
import type { Message, Part, ToolResultPart } from './model.ts';
import { isName } from './principal.ts';

/** `input`: the current text or parts. `earlier`: the messages before it, if there are any. */
export interface Asked {
  input: Json;
  earlier?: readonly Message[] | undefined;
}

/** Makes an error from the reason why an input is invalid. */
type Fail = (why: string) => Error;
type Fields = { readonly [field: string]: Json | undefined };

/** Whether a value is a list of messages, valid or not, rather than a list of parts. */
export const isConversation = (value: Json): boolean =>
  Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null && 'role' in item);

/**
 * The journaled form of an input. The results of a message's calls become one message after it, in order. Data that only the original
 * provider could verify is removed: reasoning, and `vendor` in assistant messages.
 * @throws the error of `fail` for the first part that cannot be sent to a model.
 */
export function inputOf(value: Json, fail: Fail): Asked {
  if (typeof value === 'string') return { input: value };
  if (!Array.isArray(value) || value.length === 0)
    throw fail("it must be a text, a list of parts such as { type: 'text', text }, or of messages such as { role: 'user', content: 'Hi' }");
  if (isConversation(value)) return conversationOf(value, fail);
  for (const [i, part] of value.entries()) shown(part, `part ${i}`, fail);
  return { input: value };
}

/** The input with the earlier messages, as one value. */
export const wholeOf = ({ input, earlier }: Asked): Json =>
  earlier ? ([...earlier, { role: 'user', content: typeof input === 'string' ? [{ type: 'text', text: input }] : input }] as Json) : input;

/** The calls of the newest message with calls, in order, with the results so far. */
type Open = Map<string, { name: string; result?: ToolResultPart }>;

function conversationOf(given: readonly Json[], fail: Fail): Asked {
  const earlier: Message[] = [];
  let open: Open = new Map();
  given.forEach((one, i) => {
    const at = `message ${i}`;
    const { role, content } = fieldsOf(one);
    const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
    if (role !== 'user' && role !== 'assistant' && role !== 'tool') throw fail(`${at} ${roleProblem(role)}`);
    if (!Array.isArray(parts) || parts.length === 0)
      throw fail(`${at} has no content: it is a text, or a list of parts such as { type: 'text', text }`);
    if (role === 'tool') {
      for (const [j, part] of parts.entries()) answer(open, part, `${at}, part ${j}`, fail);
      const results = [...open.values()].flatMap((call) => call.result ?? []);
      if (results.length < open.size) return;
      earlier.push({ role, content: results });
      open = new Map();
      return;
    }
    assertAnswered(open, fail);
    const said = parts.flatMap((part, j) => (role === 'user' ? shown : spoken)(part, `${at}, part ${j}`, fail));
    if (said.length > 0) earlier.push({ role, content: said });
    for (const part of said) {
      if (part.type !== 'toolCall') continue;
      if (open.has(part.id)) throw fail(`${at} has two calls of the id ${JSON.stringify(part.id)}`);
      open.set(part.id, { name: part.name });
    }
  });
  assertAnswered(open, fail);
  const last = fieldsOf(given.at(-1));
  if (last.role !== 'user') throw fail('the last message must be of the role user: it is what the agent is asked');
  const { content } = earlier.pop() as Message;
  const input = typeof last.content === 'string' ? last.content : content;
  return { input, earlier: earlier.length > 0 ? earlier : undefined };
}

const fieldsOf = (value: Json | undefined): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

const roleProblem = (role: Json | undefined): string =>
  role === 'system' || role === 'developer'
    ? `has the role "${role}". What an agent is always told are its instructions: agent({ instructions })`
    : 'has no role that there is: messages are { role, content } with the role user, assistant or tool';

function assertAnswered(open: Open, fail: Fail): void {
  for (const [id, { name, result }] of open)
    if (!result)
      throw fail(
        `the call ${JSON.stringify(id)} of ${name} has no result. A message { role: 'tool', content: [{ type: 'toolResult', id, output: [parts] }] } must follow the one that asks for it`,
      );
}

/** Checks a part of a user message or of a result: text, image or document. */
function shown(part: Json, at: string, fail: Fail): Part {
  const { type, text, mediaType, data, name } = fieldsOf(part);
  if (type === 'text') {
    if (typeof text === 'string') return part as Part;
    throw fail(`${at}: a text is { type: 'text', text }`);
  }
  if (type === 'toolResult') throw fail(`${at}: results of calls are in messages of the role tool, behind the message that asks for them`);
  if (type !== 'image' && type !== 'document') throw fail(`${at} is not a text, image or document, which is what may be here`);
  if (!isName(mediaType) || typeof data !== 'string' || (name !== undefined && typeof name !== 'string'))
    throw fail(`${at}: images and documents are { type: '${type}', mediaType, data }`);
  if (!BASE64.test(data)) throw fail(`${at}: data is base64 alone, without a line break or "data:" before it`);
  return part as Part;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Checks a part of an assistant message. Reasoning is dropped, because it is valid only for the model that wrote it. */
function spoken(part: Json, at: string, fail: Fail): Part | [] {
  const { type, id, name, input } = fieldsOf(part);
  if (type === 'reasoning') return [];
  if (type !== 'toolCall') return bare(shown(part, at, fail));
  if (!isName(id) || !isName(name) || input === undefined) throw fail(`${at}: a call is { type: 'toolCall', id, name, input }`);
  return { type, id, name, input };
}

/** Assigns a result to its open call. */
function answer(open: Open, part: Json, at: string, fail: Fail): void {
  const { type, id, output, isError } = fieldsOf(part);
  if (type !== 'toolResult' || !Array.isArray(output) || (isError !== undefined && typeof isError !== 'boolean'))
    throw fail(`${at}: a result is { type: 'toolResult', id, output: [{ type: 'text', text }] }`);
  const call = open.get(id as string);
  if (!call) throw fail(`${at} is the result of a call that the message before it does not ask for`);
  if (call.result) throw fail(`${at} is a second result of the call ${JSON.stringify(id)}`);
  const told = output.map((one, i) => bare(shown(one, `${at}, output ${i}`, fail)));
  call.result = { type, id: id as string, output: told, isError };
}

function bare(part: Part): Part {
  const { vendor: _, ...rest } = part as Part & { vendor?: Json };
  return rest as Part;
}
