import type { Message, Part, ToolCallPart, ToolResultPart } from '../model.ts';
import { unusedName } from './names.ts';
import { isWellFormed, wellFormed, wellFormedJson } from './text.ts';

/**
 * A conversation as any provider can take it, whatever the journal holds: texts are well formed, each call has an id that fits and
 * that no other call has, and right behind it come the results of all its calls, in the order asked. A result whose call is not part
 * of the conversation is told in words.
 * @param ids what the provider takes as the id of a call.
 */
export function sendable(messages: readonly Message[], ids: RegExp): Message[] {
  const used = new Set<string>();
  const out: Message[] = [];
  let i = 0;
  /** The messages up to the next one of the assistant. */
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
  /** The id it is sent under, and the one it has in the journal. */
  readonly id: string;
  readonly theirs: string;
}

/** Takes the results of calls out of what was said after them. */
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

/** What is left of a part that stands by itself. */
function spoken(part: Part): Part[] {
  switch (part.type) {
    case 'text':
      return [part.text.isWellFormed() ? part : { ...part, text: wellFormed(part.text) }];
    case 'reasoning':
      // changed, it would not fit its signature
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
    // a call that nothing stands for
    case 'toolCall':
      return [];
  }
}
