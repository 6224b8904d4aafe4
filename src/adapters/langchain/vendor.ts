import type { Json, JsonObject } from '../../json.ts';
import type { Part } from '../../ports/model.ts';

/** What a part keeps of the block it came from, so that its provider gets that back. Only for the model that made it. */
export interface Kept {
  /** The type of the block of a call. */
  block?: string;
  rest?: JsonObject;
  /** Of the first part of a message: what its provider keeps beside the content, such as signatures of calls. */
  beside?: JsonObject;
}

export const keep = (model: string, o: Kept): Json => ({ langchain: model, ...(o as JsonObject) });

export function kept(part: Exclude<Part, { type: 'toolResult' }>, model: string): Kept | undefined {
  const vendor = part.vendor as (Kept & { langchain?: unknown }) | null | undefined;
  return typeof vendor === 'object' && vendor?.langchain === model ? vendor : undefined;
}
