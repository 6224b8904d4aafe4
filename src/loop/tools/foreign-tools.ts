/** What a source of tools that others declare has in common: which are offered, by what name, and what the application says of each. */
import { defined } from '../../defined.ts';
import { invalid } from '../../errors.ts';
import { sha256 } from '../../journal/canonical.ts';
import type { Json } from '../../json.ts';
import { checkOptions } from '../../options.ts';
import type { Breaker, Effect, Retry, ToolOptions } from '../../ports/tool.ts';
import type { Schema } from '../../schema.ts';
import { checkCost } from '../call/charge.ts';
import { checkAmount, checkIntent, INTENT } from './keyed.ts';

// biome-ignore lint/suspicious/noExplicitAny: the arguments of a foreign tool have no static type
type Options = ToolOptions<string, Schema<any>, Schema<any>, never, Json>;

/** What an application says of tools that others declare. The names are those of the declaration. */
export interface ForeignToolOptions {
  /** Offer only these tools. Default: all. */
  allow?: readonly string[];
  /** Prefix of every tool's name. */
  prefix?: string;
  /** What a second call of a tool does. */
  effects?: Readonly<Record<string, Effect>>;
  /** What a call of a tool is meant to do, what it is worth, and what it costs: as in `tool()`. Not `key` for a tool that reads. */
  intents?: { readonly [tool: string]: Pick<Options, keyof typeof INTENT> };
  /** Who must approve a call: one rule for all tools, or rules by name. */
  approval?: boolean | { readonly [tool: string]: Options['approval'] };
  /** Milliseconds of one attempt without progress, for all tools. Default: the agent's, else the engine's, else 60,000. */
  timeout?: number;
  /** Milliseconds of all attempts and the waits between them, for all tools. Default: the agent's, else the engine's, else none. */
  deadline?: number;
  /** For all tools. Each field that is absent comes from the agent or the engine. */
  retry?: Retry;
  /** For all tools, each of which has a breaker of its own. `false`: none. */
  breaker?: Breaker | false;
  /** Most bytes of an output, for all tools. More is cut, with a note to the model. Default 65,536. */
  maxBytes?: number;
}

export const FOREIGN_TOOL_EXAMPLES = {
  allow: "allow: ['getOrder']",
  prefix: "prefix: 'crm_'",
  effects: "effects: { putOrder: 'idempotent' }",
  intents: "intents: { refund: { key: ({ id }) => 'refund:' + id } }",
  approval: 'approval: { refund: true }',
  timeout: 'timeout: 30_000',
  deadline: 'deadline: 120_000',
  retry: 'retry: { attempts: 3 }',
  breaker: 'breaker: { failures: 5 }',
  maxBytes: 'maxBytes: 65_536',
} satisfies { [K in keyof ForeignToolOptions]-?: string };

/** Checks what needs no declaration of a tool. @throws RondoError `CONFIG_INVALID`. */
export function checkForeignTools(o: ForeignToolOptions, where: string): void {
  if (o.prefix !== undefined && !/^[a-zA-Z0-9_-]{1,32}$/.test(o.prefix))
    throw invalid(`${where}: the prefix "${o.prefix}" must be 1 to 32 letters, digits, "_" and "-".`);
  for (const [tool, given] of Object.entries(o.intents ?? {})) {
    const about = `${where}: intents of "${tool}"`;
    checkOptions(given, INTENT, about);
    if (given.key && o.effects?.[tool] === 'read')
      throw invalid(`${where}: intents gives "${tool}" a key, and effects says that it reads.`);
    checkIntent(given, about, INTENT);
    checkAmount(given, about);
    checkCost(given.cost, about);
  }
}

/** A misspelt name would silently leave a tool out, or leave it without its approval. @throws RondoError `CONFIG_INVALID`. */
export function checkNamedTools(o: ForeignToolOptions, offered: readonly string[], where: string): void {
  const rules = typeof o.approval === 'object' ? o.approval : {};
  const has = new Set(offered);
  for (const [option, names] of Object.entries({
    allow: o.allow ?? [],
    effects: Object.keys(o.effects ?? {}),
    intents: Object.keys(o.intents ?? {}),
    approval: Object.keys(rules),
  }))
    for (const tool of names)
      if (!has.has(tool))
        throw invalid(`${where} has no tool "${tool}", which ${option} names. It has ${offered.join(', ').slice(0, 2_000) || 'none'}.`);
}

/** The options of `tool()` that the application gives for one tool. */
export function givenOptions(
  o: ForeignToolOptions,
  tool: string,
): Pick<Options, 'approval' | 'timeout' | 'deadline' | 'retry' | 'breaker' | 'maxBytes' | keyof typeof INTENT> {
  const approval = typeof o.approval === 'object' ? own(o.approval, tool) : o.approval;
  const { timeout, deadline, retry, breaker, maxBytes } = o;
  return { ...own(o.intents ?? {}, tool), ...defined({ approval, timeout, deadline, retry, breaker, maxBytes }) };
}

const fits = (name: string, prefix: string) => /^[a-zA-Z0-9_-]+$/.test(name) && prefix.length + name.length <= 64;
const plainName = (name: string, prefix: string) => prefix + (name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 64 - prefix.length) || 'tool');
const hashedName = (name: string, prefix: string) => `${plainName(name, prefix).slice(0, 55)}_${sha256(name).slice(0, 8)}`;

/**
 * Converts foreign names to names that models accept. A valid name stays; colliding ones get a part of their hash, so that the
 * result does not depend on the order of the list.
 */
export function validNames(originals: readonly string[], prefix: string): Map<string, string> {
  const names = new Map(originals.filter((name) => fits(name, prefix)).map((name) => [name, prefix + name]));
  const taken = new Set(names.values());
  const rest = [...new Set(originals.filter((name) => !fits(name, prefix)))];
  const times = new Map<string, number>();
  for (const name of rest) times.set(plainName(name, prefix), (times.get(plainName(name, prefix)) ?? 0) + 1);
  for (const name of rest) {
    const want = plainName(name, prefix);
    names.set(name, !taken.has(want) && times.get(want) === 1 ? want : hashedName(name, prefix));
  }
  return names;
}

/** The names that `validNames` may have made of one: the first of them that is there is the one. */
export const possibleNames = (name: string, prefix: string): readonly string[] =>
  fits(name, prefix) ? [prefix + name] : [hashedName(name, prefix), plainName(name, prefix)];

/** Most characters of a description that are in every prompt. */
const LONGEST_DESCRIPTION = 4_096;

export function briefly(description: string): string {
  const over = description.length - LONGEST_DESCRIPTION;
  if (over <= 0) return description;
  const cut = description.slice(0, LONGEST_DESCRIPTION).replace(/[\ud800-\udbff]$/, '');
  return `${cut}… [cut: ${over} characters of this description are not shown]`;
}

export const own = <T>(record: { readonly [k: string]: T }, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;
