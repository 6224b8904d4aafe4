/** What all strategies are declared with. */
import { invalid } from '../../../errors.ts';
import { checkOptions, type Examples } from '../../../options.ts';
import { checkModel } from '../../../ports/check-model.ts';
import type { Origin } from '../../../ports/memory-store.ts';
import type { Model } from '../../../ports/model.ts';
import { checkTemplate } from '../templates.ts';
import { decided } from './prompts.ts';
import type { Strategy } from './types.ts';

export interface StrategyOptions {
  /** Its id in records and jobs: 1 to 100 letters, digits, `_` and `-`. Default: the name of the function. */
  name?: string;
  /** Where its records go: a template with `{actorId}`, `{sessionId}`, `{memoryStrategyId}` and variables of your own, from `/` to `/`. */
  namespace?: string;
  /**
   * Whose words are read. Default: only what users said. A record is of the least trusted origin that was read for it, and records of
   * other origins than `user` are never recalled into instructions.
   */
  origins?: readonly Origin[];
  /** Milliseconds after which a record goes, from its last change. */
  expires?: number;
  /** Default: the memory's. */
  model?: Model;
}

/** Options of the strategies that ask a model with a prompt of their own. */
export interface PromptedOptions extends StrategyOptions {
  /** Added to the prompt of the extraction, such as "Only facts about travel." */
  prompt?: string;
  /** Added to the prompt of the consolidation. */
  consolidation?: string;
}

export const COMMON: Examples = {
  name: "name: 'facts'",
  namespace: "namespace: '/facts/{actorId}/'",
  origins: "origins: ['user']",
  expires: 'expires: 365 * 86_400_000',
  model: "model: bedrock('...')",
};
export const PROMPTED: Examples = {
  ...COMMON,
  prompt: "prompt: 'Only facts about travel.'",
  consolidation: "consolidation: 'Keep old addresses.'",
};

const ORIGINS: readonly Origin[] = ['user', 'assistant', 'tool', 'application'];

export interface Declared extends Pick<Strategy, 'extract' | 'merge' | 'asks'>, Partial<Pick<Strategy, 'others' | 'consolidate'>> {
  readonly name: string;
  readonly namespace: string;
}

/** Checks the common options, and puts the parts together. @throws RondoError `CONFIG_INVALID` */
export function declared(o: StrategyOptions, { others = {}, ...own }: Declared, made: string): Strategy {
  const { name = own.name, namespace = own.namespace, origins = ['user'], expires, model } = o;
  if (typeof name !== 'string' || !/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}$/.test(name))
    throw invalid(`${made}: name is 1 to 100 letters, digits, _ and -, and begins with a letter or digit.`);
  const where = `strategy "${name}"`;
  if (!Array.isArray(origins) || origins.length === 0 || origins.some((one) => !ORIGINS.includes(one)))
    throw invalid(`${where}: origins is a list of ${ORIGINS.join(', ')}.`);
  if (expires !== undefined && !(Number.isFinite(expires) && expires > 0)) throw invalid(`${where}: expires is milliseconds, more than 0.`);
  if (model !== undefined) checkModel(model, `${where}: its model`);
  for (const template of Object.values(others)) checkTemplate(template, where);
  return {
    ...own,
    name,
    namespace: checkTemplate(namespace, where),
    others,
    origins: [...new Set(origins)],
    expires,
    model,
  };
}

/** Checks the options of a strategy with a prompt of its own. */
export function checkPrompted(o: PromptedOptions, examples: Examples, made: string): void {
  checkOptions(o, examples, made);
  for (const option of ['prompt', 'consolidation'] as const) checkPrompt(o[option], `${made}: ${option}`);
}

export function checkPrompt(given: unknown, what: string): void {
  if (given !== undefined && (typeof given !== 'string' || given.trim() === '' || given.length > 30_000))
    throw invalid(`${what} is a text of 1 to 30,000 characters.`);
}

/** Compares by a model. Without one, what is there word for word is left out, and the rest added. */
export const comparing =
  (extra: string | undefined): NonNullable<Strategy['consolidate']> =>
  async (found, learning) =>
    learning.model ? decided(found, learning, extra) : found.map(() => ({ do: 'add' }));
