import { invalid } from '../../errors.ts';
import { lazy } from '../../flight.ts';
import { textsOf } from '../../hitl/texts.ts';
import { checkOptions } from '../../options.ts';
import type { Guardrail } from '../../ports/guardrail.ts';
import { inTime } from '../../reliability/patience.ts';
import { plain } from './plain.ts';

export interface GuardrailOptions {
  /** Default: everything. */
  points?: Guardrail['points'];
  /** In verdicts. Give one where an engine has two of a kind. */
  name?: string;
}

export interface Topic {
  /** In findings, and in the reason that callers and models are told. */
  name: string;
  /** Words that name it, in any case: a text with one of them is blocked. */
  phrases?: readonly string[];
  /** Sentences about it: a text that is as close to one of them is blocked. They need `embed`. */
  examples?: readonly string[];
  /** Least cosine of a text and an example, above 0 and at most 1. Default 0.75; it depends on the model. */
  threshold?: number;
}

export interface TopicOptions extends GuardrailOptions {
  denied: readonly Topic[];
  /** A vector for each text, in order, all of the same length. */
  embed?: (texts: readonly string[]) => Promise<readonly (readonly number[] | Float32Array)[]>;
}

const OPTIONS = {
  denied: "denied: [{ name: 'medicine', phrases: ['diagnosis'] }]",
  embed: 'embed: (texts) => model.embed(texts)',
  points: "points: ['input']",
  name: "name: 'topics'",
} satisfies Record<keyof TopicOptions, string>;
const TOPIC = {
  name: "name: 'medicine', phrases: ['diagnosis']",
  phrases: "phrases: ['diagnosis']",
  examples: "examples: ['What can I take against a headache?']",
  threshold: 'threshold: 0.75',
} satisfies Record<keyof Topic, string>;

/** Characters of a piece of text that gets a vector of its own, and most pieces of a value. */
const PIECE = 500;
const MOST_PIECES = 256;
/** Milliseconds for the vectors of the examples. A check waits for less, and blocks until they are there. */
const LONGEST = 60_000;

/**
 * Blocks what is about a denied topic, by phrases, by closeness to examples, or both. @throws RondoError `CONFIG_INVALID`
 */
export function topicGuardrail(o: TopicOptions): Guardrail {
  checkOptions(o, OPTIONS, 'topicGuardrail()');
  const { denied, embed } = o;
  if (!Array.isArray(denied) || denied.length === 0) throw invalid('topicGuardrail(): denied is a list of topics that is not empty.');
  for (const topic of denied as readonly Topic[]) checkTopic(topic, embed !== undefined);
  const worded = denied.map(({ name, phrases = [] }) => ({ name, phrases: phrases.map((phrase: string) => wordsIn(phrase)) }));
  const close = denied.filter(({ examples = [] }) => examples.length > 0);
  // examples get their vectors once; after a failure, or an answer that does not come, they are asked for again
  const vectors = lazy(() =>
    Promise.all(close.map(async ({ examples = [] }) => vectorsOf(await inTime(embed?.(examples), LONGEST, 'embed'), examples.length))),
  );
  return {
    name: o.name ?? 'topics',
    ...(o.points && { points: o.points }),
    async check(r) {
      const texts = textsOf(r).map((text) => plain(text).text);
      const said = wordsIn(texts.join('\n'));
      const named = worded.find(({ phrases }) => phrases.some((phrase: string) => said.includes(phrase)));
      if (named) return blocked(named.name);
      if (!embed || close.length === 0) return { action: 'allow' };
      const known = await vectors();
      const pieces = piecesOf(texts);
      if (pieces.length === 0) return { action: 'allow' };
      const given = vectorsOf(await embed(pieces), pieces.length);
      let nearest = { topic: close[0] as Topic, score: -1 };
      for (const [i, examples] of known.entries())
        for (const example of examples)
          for (const piece of given) {
            const score = cosine(example, piece);
            const topic = close[i] as Topic;
            if (score >= (topic.threshold ?? 0.75) && score > nearest.score) nearest = { topic, score };
          }
      return nearest.score < 0 ? { action: 'allow' } : blocked(nearest.topic.name, Math.min(1, nearest.score));
    },
  };
}

const blocked = (category: string, score?: number) => ({
  action: 'block' as const,
  reason: `it is about ${category}`,
  findings: [{ category, ...(score !== undefined && { score }) }],
});

function checkTopic(topic: Topic, embeds: boolean): void {
  checkOptions(topic, TOPIC, 'a topic of topicGuardrail()');
  const { name, phrases = [], examples = [], threshold = 0.75 } = topic;
  const where = `topicGuardrail(): the topic ${JSON.stringify(name)}`;
  if (typeof name !== 'string' || name === '') throw invalid(`topicGuardrail(): a topic needs a name: { ${OPTIONS.denied} }.`);
  for (const list of [phrases, examples])
    if (!Array.isArray(list) || !list.every((one) => typeof one === 'string' && wordsIn(one).trim() !== ''))
      throw invalid(`${where} has phrases and examples as lists of texts with words in them.`);
  if (phrases.length + examples.length === 0) throw invalid(`${where} needs phrases or examples: { ${OPTIONS.denied} }.`);
  if (examples.length > 0 && !embeds) throw invalid(`${where} has examples, which need embed: (texts) => vectors.`);
  if (!(threshold > 0 && threshold <= 1)) throw invalid(`${where}: threshold is a number above 0 and at most 1.`);
}

/** The words of a text in lower case, with one space around each. */
const wordsIn = (text: string): string =>
  ` ${(
    plain(text)
      .text.toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  ).join(' ')} `;

function piecesOf(texts: readonly string[]): string[] {
  const pieces: string[] = [];
  for (const text of texts)
    for (let at = 0; at < text.length; at += PIECE) {
      const piece = text.slice(at, at + PIECE).trim();
      if (piece !== '') pieces.push(piece);
    }
  // what is not looked at might be what is denied
  if (pieces.length > MOST_PIECES) throw new Error(`the value has more than ${MOST_PIECES} pieces of ${PIECE} characters`);
  return pieces;
}

type Vector = readonly number[] | Float32Array;

function vectorsOf(given: unknown, count: number): readonly Vector[] {
  const isVector = (one: unknown) => (Array.isArray(one) || one instanceof Float32Array) && one.length > 0;
  if (!Array.isArray(given) || given.length !== count || !given.every(isVector)) throw new Error(`embed did not give ${count} vectors`);
  return given as readonly Vector[];
}

function cosine(a: Vector, b: Vector): number {
  if (a.length !== b.length) throw new Error('embed gave vectors of different lengths');
  let [product, left, right] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    product += x * y;
    left += x * x;
    right += y * y;
  }
  const score = product / Math.sqrt(left * right);
  if (Number.isNaN(score)) throw new Error('embed gave a vector without a direction');
  return score;
}
