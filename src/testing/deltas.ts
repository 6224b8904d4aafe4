import type { ModelDelta, Part } from '../ports/model.ts';

/** Emits an answer in pieces, as a streaming provider would: text by words, the arguments of calls by 16 characters. */
export function emitAnswer(content: readonly Part[], emit: (d: ModelDelta) => void): void {
  for (const part of content)
    if (part.type === 'text' || part.type === 'reasoning')
      for (const text of part.text.match(/\S+\s*|\s+/g) ?? []) emit({ type: part.type, text });
    else if (part.type === 'toolCall')
      for (const text of JSON.stringify(part.input).match(/[\s\S]{1,16}/g) ?? [])
        emit({ type: 'toolCall', id: part.id, name: part.name, text });
}
