/**
 * What some models refuse although Converse knows it. Model lists go stale, so this is learned: the first refusal that
 * names such a feature drops it for this model, and the request is made again at once. A refusal costs nothing.
 */
export type Feature =
  /** Native structured output: the schema is put into the system prompt instead. */
  | 'textFormat'
  /** `status: 'error'` on a tool result: the result's own text says that it failed. */
  | 'status'
  /** The signature of reasoning that is sent back. */
  | 'signature'
  /** Reasoning that is sent back. */
  | 'reasoning';

const REFUSALS: readonly [Feature, RegExp][] = [
  ['textFormat', /output_?config[._]?(text_?)?format|outputConfig(?!\.effort)|structured outputs?/i],
  ['signature', /reasoningText\.signature/i],
  ['status', /support the (\S+\.)?status field/i],
  ['reasoning', /support(ed)?\b.*reasoningContent|reasoningContent\b.*support/i],
];

/** The feature that a refusal is about, if it was sent. */
export function refusedFeature(error: unknown, sent: ReadonlySet<Feature>): Feature | undefined {
  const { name, message } = error as { name?: unknown; message?: unknown };
  if (typeof name !== 'string' || !/^validationexception$/i.test(name)) return undefined;
  return REFUSALS.find(([feature, pattern]) => sent.has(feature) && pattern.test(String(message)))?.[0];
}
