/** Whether a value is within its limits. Apart from the model, which is large: the adapter of Memory checks by the same tables. */
import type { Constraint } from './limit.ts';

const patterns = new Map<string, RegExp>();

function isLike(text: string, pattern: string): boolean {
  const known = patterns.get(pattern) ?? new RegExp(`^(?:${pattern})$`);
  patterns.set(pattern, known);
  return known.test(text);
}

/** Characters, not halves of them. */
const lengthOf = (text: string) => (/[\ud800-\udbff]/.test(text) ? [...text].length : text.length);

function sizeOf(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') return lengthOf(value);
  return Array.isArray(value) || value instanceof Uint8Array ? value.length : Object.keys(value as object).length;
}

type ValuesOf = (enumeration: string) => readonly string[] | undefined;

/** All that is wrong with a value, in the words of AWS. */
export function problemsIn(value: unknown, { min, max, pattern, oneOf, each, keys }: Constraint, valuesOf: ValuesOf): string[] {
  const problems: string[] = [];
  const size = min === undefined && max === undefined ? 0 : sizeOf(value);
  const what = typeof value === 'number' ? 'value' : 'length';
  if (typeof value === 'number' && !Number.isInteger(value)) return ['Member must be an integer'];
  if (min !== undefined && size < min) problems.push(`Member must have ${what} greater than or equal to ${min}`);
  const tooLong = max !== undefined && size > max;
  if (tooLong) problems.push(`Member must have ${what} less than or equal to ${max}`);
  // a pattern is not tried on a text of any length
  if (pattern !== undefined && !tooLong && !isLike(value as string, pattern))
    problems.push(`Member must satisfy regular expression pattern: ${pattern}`);
  const values = oneOf === undefined ? undefined : valuesOf(oneOf);
  if (values && !values.includes(value as string)) problems.push(`Member must satisfy enum value set: [${values.join(', ')}]`);
  if (keys) problems.push(...within(Object.keys(value as object), keys, 'Map keys', valuesOf));
  if (each) problems.push(...within(Object.values(value as object), each, Array.isArray(value) ? 'Member' : 'Map value', valuesOf));
  return problems;
}

function within(values: readonly unknown[], constraint: Constraint, what: string, valuesOf: ValuesOf): string[] {
  const problems = new Set(values.flatMap((value) => problemsIn(value, constraint, valuesOf)));
  return problems.size === 0 ? [] : [`${what} must satisfy constraint: [${[...problems].join(', ')}]`];
}
