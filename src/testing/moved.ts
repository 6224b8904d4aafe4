import { canonical } from '../journal/canonical.ts';
import type { Json } from '../json.ts';

/** What a model is asked, in the order in which providers read it: tools, instructions, messages. A `ModelRequest` is one. */
export interface Prompt {
  readonly instructions: unknown;
  readonly tools: readonly unknown[];
  readonly messages: readonly unknown[];
}

/** A part that differs. `text`: where in it, and both values. */
export interface Moved {
  /** `tools`, `instructions`, `message 3 (tool)` (from 1), or another field of the request. */
  part: string;
  text: string;
}

/** Most characters of each value in a text. */
const LONGEST = 120;
/** Characters before the first difference of two texts. */
const BEFORE = 30;

/**
 * The parts of `before` that `now` does not contain at the same place, in the order in which a provider reads them. Messages that `now` has
 * beyond those of `before` are no difference.
 */
export function moved(before: Prompt, now: Prompt, words: { was: string; is: string } = { was: 'before', is: 'now' }): readonly Moved[] {
  const found: Moved[] = [];
  const compare = (part: string, a: unknown, b: unknown) => {
    const text = difference(a, b, words);
    if (text !== undefined) found.push({ part, text });
  };
  const tools = toolsMoved(before.tools, now.tools, words);
  if (tools !== undefined) found.push({ part: 'tools', text: tools });
  compare('instructions', before.instructions, now.instructions);
  // what follows the first message that moved is not the same prefix, so it is not worth a line
  const at = commonLength(before.messages, now.messages);
  if (at < before.messages.length) {
    const message = before.messages[at];
    compare(`message ${at + 1}${roleOf(message)}`, message, now.messages[at]);
  }
  return found;
}

/** How many leading items are equal. */
function commonLength(a: readonly unknown[], b: readonly unknown[]): number {
  let n = 0;
  while (n < a.length && n < b.length && isEqual(a[n], b[n])) n++;
  return n;
}

export const isEqual = (a: unknown, b: unknown): boolean => a === b || textOf(a) === textOf(b);

export const textOf = (value: unknown): string => (value === undefined ? '' : canonical(value as Json));

const roleOf = (message: unknown): string => {
  const role = (message as { role?: unknown } | null)?.role;
  return typeof role === 'string' ? ` (${role})` : '';
};

const nameOf = (tool: unknown, i: number): string => {
  const { name } = (tool ?? {}) as { name?: unknown };
  return typeof name === 'string' ? name : `number ${i + 1}`;
};

function toolsMoved(before: readonly unknown[], now: readonly unknown[], words: { was: string; is: string }): string | undefined {
  if (isEqual(before, now)) return undefined;
  const [was, is] = [before.map(nameOf), now.map(nameOf)];
  const gone = was.filter((name) => !is.includes(name));
  const added = is.filter((name) => !was.includes(name));
  if (gone.length > 0 || added.length > 0)
    return [
      ...(gone.length > 0 ? [`${words.is} without ${gone.join(', ')}`] : []),
      ...(added.length > 0 ? [`${words.is} with ${added.join(', ')}`] : []),
    ].join('; ');
  if (!isEqual(was, is)) return `${words.was} in the order ${shown(was.join(', '))}, ${words.is} ${shown(is.join(', '))}`;
  const at = commonLength(before, now);
  return `${was[at]}: ${difference(before[at], now[at], words)}`;
}

/** Where two values differ first, and how; undefined if they are equal. */
export function difference(was: unknown, is: unknown, words: { was: string; is: string }): string | undefined {
  if (isEqual(was, is)) return undefined;
  const at = firstDifference(was, is, '');
  const [a, b] = typeof at.was === 'string' && typeof at.is === 'string' ? excerpts(at.was, at.is) : [valueText(at.was), valueText(at.is)];
  return `${at.path === '' ? '' : `${at.path}: `}${words.was} ${a}, ${words.is} ${b}`;
}

function firstDifference(was: unknown, is: unknown, path: string): { path: string; was: unknown; is: unknown } {
  if (Array.isArray(was) && Array.isArray(is)) {
    const at = commonLength(was, is);
    if (at < was.length && at < is.length) return firstDifference(was[at], is[at], `${path}[${at}]`);
    return { path: `${path}[${at}]`, was: was[at], is: is[at] };
  }
  if (isRecord(was) && isRecord(is)) {
    const key = [...Object.keys(was), ...Object.keys(is)].find((k) => !isEqual(was[k], is[k]));
    if (key !== undefined) return firstDifference(was[key], is[key], path === '' ? key : `${path}.${key}`);
  }
  return { path, was, is };
}

const isRecord = (value: unknown): value is { readonly [k: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Two texts around their first difference. */
function excerpts(was: string, is: string): [string, string] {
  let at = 0;
  while (at < was.length && at < is.length && was[at] === is[at]) at++;
  const from = Math.max(0, at - BEFORE);
  const cut = (text: string) => `${from > 0 ? '…' : ''}${shown(text.slice(from))}`;
  return [cut(was), cut(is)];
}

const valueText = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
};

const shown = (text: string): string => JSON.stringify(text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
