import { invalid } from '../../../errors.ts';
import { checkOptions } from '../../../options.ts';
import { COMMON, checkPrompt, comparing, declared, type StrategyOptions } from './declare.ts';
import { extracted, listOf, TEXT } from './prompts.ts';
import type { Candidate, Found, Learning, Merge, MergeRule, Strategy, Talk } from './types.ts';

export interface OwnStrategyOptions extends StrategyOptions {
  name: string;
  namespace: string;
  /** A prompt, such as "Extract the open tasks, one sentence each."; or a function. A prompt needs a model. */
  extract: string | ((talk: Talk, learning: Learning) => readonly (Found | string)[] | Promise<readonly (Found | string)[]>);
  /** A prompt that is added to the question whether to add, update or skip; or a function that decides for one candidate. */
  consolidate?: string | ((candidate: Candidate, learning: Learning) => Merge | Promise<Merge>);
  /** Default `compare`. */
  merge?: MergeRule;
}

/**
 * A strategy of your own. Functions run after the turn, may run twice for one event, and what they answer is bounded and checked.
 * @throws RondoError `CONFIG_INVALID`
 */
export function strategy(o: OwnStrategyOptions): Strategy {
  checkOptions(
    o,
    {
      ...COMMON,
      extract: "extract: 'Extract the open tasks.'",
      consolidate: "consolidate: 'A task that is done is updated.'",
      merge: "merge: 'compare'",
    },
    'strategy()',
  );
  const { extract, consolidate, merge = 'compare' } = o;
  if (o.name === undefined || o.namespace === undefined) throw invalid('strategy() takes a name and a namespace.');
  if (typeof extract !== 'function' && typeof extract !== 'string')
    throw invalid(`strategy "${o.name}": extract is a prompt, or a function that answers a list of texts.`);
  if (typeof extract === 'string') checkPrompt(extract, `strategy "${o.name}": extract`);
  if (typeof consolidate !== 'function') checkPrompt(consolidate, `strategy "${o.name}": consolidate`);
  if (!['compare', 'append', 'replace'].includes(merge)) throw invalid(`strategy "${o.name}": merge is 'compare', 'append' or 'replace'.`);
  if (consolidate !== undefined && merge !== 'compare')
    throw invalid(`strategy "${o.name}": consolidate is for merge: 'compare'; leave it out.`);
  return declared(
    o,
    {
      name: o.name,
      namespace: o.namespace,
      merge,
      asks: typeof extract === 'string' || typeof consolidate === 'string',
      extract:
        typeof extract === 'string'
          ? (talk, learning) => extracted<Found>(extract, talk, learning, listOf({ text: TEXT }))
          : called(extract),
      consolidate: typeof consolidate === 'function' ? each(consolidate) : comparing(consolidate),
    },
    'strategy()',
  );
}

const called =
  (extract: Exclude<OwnStrategyOptions['extract'], string>): Strategy['extract'] =>
  async (talk, learning) => {
    const found: unknown = await extract(talk, learning);
    // a value that is not a list is refused by the pipeline, with everything else that does not fit
    return Array.isArray(found) ? found.map((one) => (typeof one === 'string' ? { text: one } : one)) : (found as readonly Found[]);
  };

const each =
  (decide: Exclude<OwnStrategyOptions['consolidate'], string | undefined>): NonNullable<Strategy['consolidate']> =>
  async (found, learning) => {
    const merges: Merge[] = [];
    for (const candidate of found) merges.push(await decide(candidate, learning));
    return merges;
  };
