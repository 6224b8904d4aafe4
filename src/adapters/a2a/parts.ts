import type { Part as RemotePart } from '@a2a-js/sdk';
import type { Json } from '../../json.ts';
import type { Part, Prompt } from '../../ports/model.ts';

const part = (content: NonNullable<RemotePart['content']>, mediaType: string, filename = ''): RemotePart => ({
  content,
  mediaType,
  filename,
  metadata: undefined,
});

export const textPart = (text: string): RemotePart => part({ $case: 'text', value: text }, 'text/plain');
export const dataPart = (data: Json): RemotePart => part({ $case: 'data', value: data }, 'application/json');

/** The output of an agent as a part: text as text, anything else as data. */
export const outputPart = (output: unknown): RemotePart =>
  typeof output === 'string' ? textPart(output) : dataPart((output ?? null) as Json);

/** A prompt for a remote agent: text and files. Other parts of a prompt are not sent. */
export function toRemote(prompt: Prompt): RemotePart[] {
  if (typeof prompt === 'string') return [textPart(prompt)];
  return prompt.flatMap((p) => {
    if (p.type === 'text') return [textPart(p.text)];
    if (p.type !== 'image' && p.type !== 'document') return [];
    return [part({ $case: 'raw', value: Buffer.from(p.data, 'base64') }, p.mediaType, p.name ?? '')];
  });
}

/** A caller's message as a prompt. The URL of a file is passed on as text, not fetched: a caller must not choose what we connect to. */
export function toPrompt(parts: readonly RemotePart[]): Prompt {
  const found: Part[] = parts.flatMap((p): Part[] => {
    const { content, mediaType, filename } = p;
    if (content?.$case === 'text') return [{ type: 'text', text: content.value }];
    if (content?.$case === 'data') return [{ type: 'text', text: JSON.stringify(content.value ?? null) }];
    if (content?.$case === 'url') return [{ type: 'text', text: `[file ${filename || 'without a name'} at ${content.value}]` }];
    if (content?.$case !== 'raw') return [];
    const type = mediaType.startsWith('image/') ? 'image' : 'document';
    const data = Buffer.from(content.value).toString('base64');
    return [{ type, mediaType: mediaType || 'application/octet-stream', data, ...(filename && { name: filename }) }];
  });
  const [only] = found;
  return found.length === 1 && only?.type === 'text' ? only.text : found;
}

/** All parts as one text: data as JSON, a file as its name. */
export const textOf = (parts: readonly RemotePart[]): string =>
  parts
    .map(({ content, filename, mediaType }) => {
      if (content?.$case === 'text') return content.value;
      if (content?.$case === 'data') return JSON.stringify(content.value ?? null);
      if (content?.$case === 'url') return `[file ${filename || mediaType} at ${content.value}]`;
      if (content?.$case === 'raw') return `[file ${filename || mediaType}, ${content.value.length} bytes]`;
      return '';
    })
    .filter((text) => text !== '')
    .join('\n');

/** Merges consecutive text parts, because a streamed artifact arrives in chunks. */
export function joined(parts: readonly RemotePart[]): RemotePart[] {
  const found: RemotePart[] = [];
  for (const p of parts) {
    const last = found.at(-1);
    if (p.content?.$case === 'text' && last?.content?.$case === 'text')
      found[found.length - 1] = { ...last, content: { $case: 'text', value: last.content.value + p.content.value } };
    else found.push(p);
  }
  return found;
}

/** The data of all data parts that are objects. */
export const dataOf = (parts: readonly RemotePart[]): { readonly [k: string]: unknown }[] =>
  parts.flatMap(({ content }) => {
    const value: unknown = content?.$case === 'data' ? content.value : undefined;
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? [value as { [k: string]: unknown }] : [];
  });
