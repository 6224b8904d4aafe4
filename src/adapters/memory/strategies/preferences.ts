import type { JsonSchema } from '../../../schema.ts';
import { checkPrompted, comparing, declared, PROMPTED, type PromptedOptions } from './declare.ts';
import { extracted, listOf } from './prompts.ts';
import type { Strategy } from './types.ts';

const PROMPT = `Extract what the person in a conversation prefers: what they like or dislike, how they want things done, what they always choose.
context: in one sentence, from what it shows. preference: in one sentence that can be understood alone. categories: one to five words of one kind each.
Only what the person said themselves or clearly showed. Often there is none: answer an empty list.`;

const short = (maxLength: number): JsonSchema => ({ type: 'string', minLength: 1, maxLength });
const PREFERENCES = listOf({
  context: short(2_000),
  preference: short(2_000),
  categories: { type: 'array', minItems: 1, maxItems: 5, items: short(100) },
});

interface Preference {
  readonly context: string;
  readonly preference: string;
  readonly categories: readonly string[];
}

/**
 * Preferences, in `/preferences/{actorId}/`. The text of a record is JSON: `{ context, preference, categories }`. It needs a model.
 * @throws RondoError `CONFIG_INVALID`
 */
export function preferences(o: PromptedOptions = {}): Strategy {
  checkPrompted(o, PROMPTED, 'preferences()');
  const prompt = [PROMPT, o.prompt].filter(Boolean).join('\n');
  const consolidation = [
    'The text of a record is JSON with context, preference and categories. A new text has the same form.',
    o.consolidation,
  ];
  return declared(
    o,
    {
      name: 'preferences',
      namespace: '/preferences/{actorId}/',
      merge: 'compare',
      asks: true,
      async extract(talk, learning) {
        const found = await extracted<Preference>(prompt, talk, learning, PREFERENCES);
        return found.map(({ context, preference, categories }) => ({ text: JSON.stringify({ context, preference, categories }) }));
      },
      consolidate: comparing(consolidation.filter(Boolean).join('\n')),
    },
    'preferences()',
  );
}
