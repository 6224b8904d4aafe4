import { AIMessage, type BaseMessage, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import type { Json } from '../../json.ts';
import type { Message, ModelRequest, Part, ToolCallPart, ToolResultPart } from '../../ports/model.ts';
import { sendable } from '../../ports/sendable/calls.ts';
import type { Aliases } from '../../ports/sendable/names.ts';
import { wellFormed } from '../../ports/sendable/text.ts';
import { kept } from './vendor.ts';

/** A LangChain content block, standard or of one provider. */
export type Block = { readonly type: string; readonly [k: string]: unknown };

const instruction = (schema: Json): string =>
  `When you give your final answer, write only one JSON value that is valid against this JSON Schema, with no other text and no code fence:\n${JSON.stringify(schema)}`;

/** The call ids that providers accept. */
const CALL_ID = /^[a-zA-Z0-9_-]{1,40}$/;

/** The conversation as LangChain messages. Each tool result is its own message. */
export function messagesOf(
  { instructions, messages: journal, output }: Pick<ModelRequest, 'instructions' | 'messages' | 'output'>,
  id: string,
  tools: Aliases,
): BaseMessage[] {
  const messages = sendable(journal, CALL_ID).map(({ role, content }): Message => {
    // a provider's data beside the message is stored on its first part
    const said = content.filter((part) => part.type !== 'text' || part.text.trim() !== '' || part.vendor !== undefined);
    return { role, content: said.map((part) => (part.type === 'toolCall' ? { ...part, name: tools.alias(part.name) } : part)) };
  });
  const system = [instructions, ...(output ? [instruction(output)] : [])]
    .filter((text) => text !== '')
    .map(wellFormed)
    .join('\n\n');
  // results do not name their tool, and some providers require the name
  let names: ReadonlyMap<string, string> = new Map();
  const told = messages.flatMap(({ role, content }): BaseMessage | BaseMessage[] => {
    if (content.length === 0) return [];
    if (role === 'user') return new HumanMessage(contentOf(content));
    if (role === 'tool') return resultsOf(content, names);
    names = new Map(callsIn(content).map((call) => [call.id, call.name]));
    return assistant(content, id);
  });
  return [...(system ? [new SystemMessage(system)] : []), ...told];
}

const callsIn = (content: Message['content']) => content.filter((part): part is ToolCallPart => part.type === 'toolCall');

const resultsOf = (content: Message['content'], names: ReadonlyMap<string, string>): ToolMessage[] =>
  content
    .filter((part): part is ToolResultPart => part.type === 'toolResult')
    .map(({ id, isError, output }) => {
      const name = names.get(id);
      const status = isError ? ('error' as const) : ('success' as const);
      const said = output.filter((part) => part.type !== 'text' || part.text.trim() !== '');
      const told = contentOf(said.length > 0 ? said : [{ type: 'text', text: '(no output)' }]);
      return new ToolMessage({ ...told, tool_call_id: id, status, ...(name !== undefined && { name }) });
    });

function assistant(content: readonly Part[], id: string): AIMessage {
  const [first] = content;
  const beside = first && first.type !== 'toolResult' ? kept(first, id)?.beside : undefined;
  const common = {
    tool_calls: callsIn(content).map(({ id, name, input }) => ({ id, name, args: argsOf(input), type: 'tool_call' as const })),
    ...(beside && { additional_kwargs: { ...beside } }),
  };
  // a provider that returned its own blocks, such as signed reasoning, expects them back; others accept text
  const own = content.some((part) => part.type !== 'toolResult' && kept(part, id)?.rest);
  if (own) return new AIMessage({ ...common, content: content.flatMap((part) => native(part, id) ?? []) as never });
  const media = content.some(({ type }) => type === 'image' || type === 'document');
  if (media) return new AIMessage({ ...common, content: content.flatMap((part) => block(part) ?? []) as never });
  return new AIMessage({ ...common, content: content.map((part) => (part.type === 'text' ? part.text : '')).join('') });
}

/** Models send arguments as an object. Anything else is a refused call, and is sent back unchanged. */
const argsOf = (input: Json): Record<string, unknown> =>
  typeof input === 'object' && input !== null && !Array.isArray(input) ? (input as Record<string, unknown>) : { arguments: input };

function native(part: Part, id: string): Block | undefined {
  const own = part.type === 'toolResult' ? undefined : kept(part, id);
  if (part.type === 'toolCall') {
    if (own?.block === 'tool_use') return { ...own.rest, type: 'tool_use', id: part.id, name: part.name, input: argsOf(part.input) };
    return own?.block === 'tool_call' ? { type: 'tool_call', id: part.id, name: part.name, args: argsOf(part.input) } : undefined;
  }
  return (own?.rest as Block | undefined) ?? block(part);
}

/** Text alone is a string, which every provider accepts. */
function contentOf(parts: readonly Part[]): { content: string } | { contentBlocks: never } {
  if (parts.every((part) => part.type === 'text')) return { content: parts.map((part) => (part as { text: string }).text).join('\n') };
  return { contentBlocks: parts.flatMap((part) => block(part) ?? []) as never };
}

/** As a LangChain standard content block. Reasoning of another model is omitted. */
function block(part: Part): Block | undefined {
  switch (part.type) {
    case 'text':
      return part.text === '' ? undefined : { type: 'text', text: part.text };
    case 'image':
      return { type: 'image', mimeType: part.mediaType, data: part.data };
    case 'document':
      return {
        type: 'file',
        mimeType: part.mediaType,
        data: part.data,
        ...(part.name !== undefined && { metadata: { filename: part.name } }),
      };
    default:
      return undefined;
  }
}
