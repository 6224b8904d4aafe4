/** Lengths, patterns, ranges and enums of members, which the official npm clients do not have: a table of our own, in `limits`. */
import { GATEWAY } from './limits/gateway.ts';
import { IDENTITY } from './limits/identity.ts';
import type { Constraint, Limits } from './limits/limit.ts';
import { MEMORIES } from './limits/memory.ts';
import { POLICIES } from './limits/policy.ts';
import { RUNTIME } from './limits/runtime.ts';
import { model, type Plane } from './model.ts';

const TABLES = [RUNTIME, MEMORIES, IDENTITY, GATEWAY, POLICIES];

/** By the name of the shape, and of its member. */
export const CONSTRAINTS: Readonly<Record<Plane, Limits>> = {
  data: Object.assign({}, ...TABLES.map(({ data }) => data)),
  control: Object.assign({}, ...TABLES.map(({ control }) => control)),
};

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

/** All that is wrong with a value, in the words of AWS. */
export function problemsOf(plane: Plane, value: unknown, { min, max, pattern, oneOf, each, keys }: Constraint): string[] {
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
  const values = oneOf === undefined ? undefined : model().enums[plane][oneOf];
  if (values && !values.includes(value as string)) problems.push(`Member must satisfy enum value set: [${values.join(', ')}]`);
  if (keys) problems.push(...within(plane, Object.keys(value as object), keys, 'Map keys'));
  if (each) problems.push(...within(plane, Object.values(value as object), each, Array.isArray(value) ? 'Member' : 'Map value'));
  return problems;
}

function within(plane: Plane, values: readonly unknown[], constraint: Constraint, what: string): string[] {
  const problems = new Set(values.flatMap((value) => problemsOf(plane, value, constraint)));
  return problems.size === 0 ? [] : [`${what} must satisfy constraint: [${[...problems].join(', ')}]`];
}
