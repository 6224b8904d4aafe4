import type { JsonSchema } from '../../../schema.ts';
import { checkTemplate } from '../templates.ts';
import { checkPrompted, comparing, declared, PROMPTED, type PromptedOptions } from './declare.ts';
import { extracted, listOf } from './prompts.ts';
import type { Found, Strategy } from './types.ts';

const PROMPT = `Extract the episodes of a conversation: each task that someone tried to do, from its start to what came of it.
situation: what it was about. tried: what was done, step by step. outcome: what came of it, and why. succeeded: whether it did.
advice: what to do, or not to do, in a situation like it, as one sentence that can be understood without the conversation.
A task that is still open is not an episode. Often there is none: answer an empty list.`;

const text = (maxLength: number): JsonSchema => ({ type: 'string', minLength: 1, maxLength });
const EPISODES = listOf(
  { situation: text(2_000), tried: text(4_000), outcome: text(2_000), succeeded: { type: 'boolean' }, advice: text(2_000) },
  20,
);

interface Episode {
  readonly situation: string;
  readonly tried: string;
  readonly outcome: string;
  readonly succeeded: boolean;
  readonly advice: string;
}

export interface EpisodesOptions extends PromptedOptions {
  /** Where reflections go. Default `/reflections/{actorId}/`. */
  reflections?: string;
}

/**
 * Episodes, in `/episodes/{actorId}/{sessionId}/`: what was tried, and what came of it. A reflection on each, in `/reflections/{actorId}/`, is
 * advice for situations like it; new experience changes the advice that is there. It needs a model. Tools and agents do most of what is tried:
 * `origins: ['user', 'assistant', 'tool']` reads them too, and what is learned from them is found by search only.
 * @throws RondoError `CONFIG_INVALID`
 */
export function episodes(o: EpisodesOptions = {}): Strategy {
  checkPrompted(o, { ...PROMPTED, reflections: "reflections: '/reflections/{actorId}/'" }, 'episodes()');
  const prompt = [PROMPT, o.prompt].filter(Boolean).join('\n');
  const consolidation = [
    'The items are episodes, and advice for situations. An episode is a record of its own, unless an existing record is about the same one. Merge advice for like situations into one record that says when it holds.',
    o.consolidation,
  ];
  return declared(
    o,
    {
      name: 'episodes',
      namespace: '/episodes/{actorId}/{sessionId}/',
      others: { reflections: checkTemplate(o.reflections ?? '/reflections/{actorId}/', 'episodes(): reflections') },
      merge: 'compare',
      asks: true,
      async extract(talk, learning) {
        const found = await extracted<Episode>(prompt, talk, learning, EPISODES);
        return found.flatMap(recordsOf);
      },
      consolidate: comparing(consolidation.filter(Boolean).join('\n')),
    },
    'episodes()',
  );
}

const recordsOf = ({ situation, tried, outcome, succeeded, advice }: Episode): Found[] => [
  { text: `Situation: ${situation}\nTried: ${tried}\nOutcome: ${outcome}`, metadata: { succeeded: String(succeeded) } },
  { text: `In a situation such as: ${situation}\nAdvice: ${advice}`, into: 'reflections' },
];
