import type { Json, JsonObject } from '../../json.ts';
import type { Part } from '../../ports/model.ts';

/** The data of the original block, so that its provider gets it back. Only for the model that created it. */
export interface Kept {
  /** The block type of a call. */
  block?: string;
  rest?: JsonObject;
  /** On the first part of a message: the provider's data beside the content, such as call signatures. */
  beside?: JsonObject;
}

export const keep = (model: string, o: Kept): Json => ({ langchain: model, ...(o as JsonObject) });

export function kept(part: Exclude<Part, { type: 'toolResult' }>, model: string): Kept | undefined {
  const vendor = part.vendor as (Kept & { langchain?: unknown }) | null | undefined;
  return typeof vendor === 'object' && vendor?.langchain === model ? vendor : undefined;
}
