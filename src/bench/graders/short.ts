import type { Json } from '../../json.ts';

const LONGEST = 300;

/** A value in the reason of a verdict. */
export function short(value: Json | undefined): string {
  if (value === undefined) return 'missing, because the run did not complete';
  const text = JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length} characters)` : text;
}
