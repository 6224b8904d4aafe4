import { checkPrompted, comparing, declared, PROMPTED, type PromptedOptions } from './declare.ts';
import { extracted, listOf, TEXT } from './prompts.ts';
import { saidFacts } from './sentences.ts';
import type { Found, Strategy } from './types.ts';

const PROMPT = `Extract the facts that are worth remembering from a conversation: who someone is, what they have, do, plan or decided.
Each is one sentence that can be understood alone, with names instead of pronouns, and dates instead of words such as "tomorrow".
Leave out greetings, questions, and what is only of interest within this conversation. Often there is none: answer an empty list.`;

/**
 * Facts, one sentence each, in `/facts/{actorId}/`. Without a model: each sentence of a user that is not a question, as it was said.
 * @throws RondoError `CONFIG_INVALID`
 */
export function facts(o: PromptedOptions = {}): Strategy {
  checkPrompted(o, PROMPTED, 'facts()');
  const prompt = [PROMPT, o.prompt].filter(Boolean).join('\n');
  return declared(
    o,
    {
      name: 'facts',
      namespace: '/facts/{actorId}/',
      merge: 'compare',
      asks: false,
      extract: async (talk, learning) =>
        learning.model ? extracted<Found>(prompt, talk, learning, listOf({ text: TEXT })) : saidFacts(talk),
      consolidate: comparing(o.consolidation),
    },
    'facts()',
  );
}
