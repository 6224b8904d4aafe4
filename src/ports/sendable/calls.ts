import type { Message, Part, ToolCallPart, ToolResultPart } from '../model.ts';
import { unusedName } from './names.ts';
import { isWellFormed, wellFormed, wellFormedJson } from './text.ts';

/**
 * A conversation in a form that every provider accepts: texts are well formed, each call has a valid, unique id, and each message with
 * calls is followed by their results, in order. A result whose call is not part of the conversation becomes text.
 * @param ids the call ids that the provider accepts.
 */
export function sendable(messages: readonly Message[], ids: RegExp): Message[] {
  const used = new Set<string>();
  const out: Message[] = [];
  let i = 0;
  /** The contents of the messages up to the next assistant message. */
  const answers = (): Part[][] => {
    const from = i;
    while (i < messages.length && messages[i]?.role !== 'assistant') i++;
    return messages.slice(from, i).map((message) => [...message.content]);
  };
  const behind = (asked: readonly Asked[]): void => {
    const said = answers();
    if (asked.length > 0) out.push({ role: 'tool', content: resultsOf(asked, said) });
    for (const content of said) {
      const parts = content.flatMap((part) => spoken(part));
      if (parts.length > 0) out.push({ role: 'user', content: parts });
    }
  };
  behind([]);
  while (i < messages.length) {
    const { content } = messages[i++] as Message;
    const asked: Asked[] = [];
    const parts = content.flatMap((part): Part[] => {
      if (part.type !== 'toolCall') return spoken(part);
      const id = unusedName(part.id, ids, used);
      used.add(id);
      asked.push({ id, theirs: part.id });
      return [called(part, id)];
    });
    if (parts.length > 0) out.push({ role: 'assistant', content: parts });
    behind(asked);
  }
  return out;
}

interface Asked {
  /** The id that is sent, and the id in the journal. */
  readonly id: string;
  readonly theirs: string;
}

/** Removes the results of the calls from the messages after them, and returns them in order. */
function resultsOf(asked: readonly Asked[], said: Part[][]): ToolResultPart[] {
  return asked.map(({ id, theirs }) => {
    for (const content of said) {
      const place = content.findIndex((part) => part.type === 'toolResult' && part.id === theirs);
      if (place < 0) continue;
      const [part] = content.splice(place, 1) as [ToolResultPart];
      return { ...part, id, output: part.output.flatMap(spoken) };
    }
    return { type: 'toolResult', id, output: [{ type: 'text', text: '(The result of this call is not known.)' }], isError: true };
  });
}

const called = ({ name, input, vendor, ...part }: ToolCallPart, id: string): ToolCallPart => ({
  ...part,
  id,
  name: wellFormed(name),
  input: wellFormedJson(input),
  ...(vendor !== undefined && { vendor: wellFormedJson(vendor) }),
});

/** A part outside a call and its result: media and text are kept, an orphaned result becomes text. */
function spoken(part: Part): Part[] {
  switch (part.type) {
    case 'text':
      return [part.text.isWellFormed() ? part : { ...part, text: wellFormed(part.text) }];
    case 'reasoning':
      // dropped if it is not well formed: changed text would not match its signature
      return part.text.isWellFormed() && isWellFormed(part.vendor ?? null) ? [part] : [];
    case 'image':
    case 'document':
      return [part.name === undefined || part.name.isWellFormed() ? part : { ...part, name: wellFormed(part.name) }];
    case 'toolResult': {
      const [first, ...rest] = part.output.flatMap(spoken);
      const intro = '(The result of a call that is not part of this conversation.)';
      if (first?.type === 'text') return [{ type: 'text', text: `${intro}\n${first.text}` }, ...rest];
      return [{ type: 'text', text: intro }, ...(first ? [first] : []), ...rest];
    }
    // a call without a result
    case 'toolCall':
      return [];
  }
}
