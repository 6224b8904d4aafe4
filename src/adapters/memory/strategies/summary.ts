import { checkOptions } from '../../../options.ts';
import { COMMON, checkPrompt, declared, type StrategyOptions } from './declare.ts';
import { extracted, listOf } from './prompts.ts';
import { LONGEST_TEXT, sentencesOf } from './sentences.ts';
import type { Found, Learning, Strategy, Talk } from './types.ts';

const PROMPT = `Keep a running summary of a session. You get the summary so far, which may be empty, and what was said since.
Answer one item: the whole new summary, in a few short paragraphs, each about one topic. Keep what is still of interest: what was wanted, decided, done, and left open.`;

const SUMMARY = listOf({ text: { type: 'string', minLength: 1, maxLength: 8_000 } }, 1);
/** Most characters of a summary without a model. */
const LONGEST_SAID = 4_000;

export interface SummaryOptions extends StrategyOptions {
  /** Added to the prompt, such as "In German." */
  prompt?: string;
}

/**
 * One record for each session, with a running summary, in `/summaries/{actorId}/{sessionId}/`. Without a model: the last 4,000 characters of what
 * the user said.
 * @throws RondoError `CONFIG_INVALID`
 */
export function summary(o: SummaryOptions = {}): Strategy {
  checkOptions(o, { ...COMMON, prompt: "prompt: 'In German.'" }, 'summary()');
  checkPrompt(o.prompt, 'summary(): prompt');
  const prompt = [PROMPT, o.prompt].filter(Boolean).join('\n');
  return declared(
    o,
    {
      name: 'summary',
      namespace: '/summaries/{actorId}/{sessionId}/',
      merge: 'replace',
      asks: false,
      async extract(talk, learning) {
        const [known] = await learning.known({ limit: 1 });
        const soFar = known?.text ?? '';
        if (!learning.model) return said(soFar, talk);
        return (await summarised(prompt, soFar, talk, learning)).slice(0, 1);
      },
    },
    'summary()',
  );
}

const summarised = (prompt: string, soFar: string, talk: Talk, learning: Learning) =>
  extracted<Found>(prompt, talk, learning, SUMMARY, { summary: soFar.slice(0, LONGEST_TEXT) });

/** Whole sentences, the newest that fit. */
function said(soFar: string, { lines }: Talk): Found[] {
  const sentences = [...soFar.split('\n'), ...lines.flatMap(({ text }) => sentencesOf(text))].filter((one) => one !== '');
  let from = sentences.length;
  for (let left = LONGEST_SAID; from > 0; from--) {
    left -= (sentences[from - 1] as string).length + 1;
    if (left < 0) break;
  }
  const text = sentences.slice(from).join('\n') || (sentences.at(-1) ?? '').slice(0, LONGEST_SAID);
  return text === '' || text === soFar ? [] : [{ text: text.toWellFormed() }];
}
