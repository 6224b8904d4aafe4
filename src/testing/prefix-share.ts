import { inputOf } from '../journal/fold/spent.ts';
import type { Usage } from '../ports/model.ts';
import { isEqual, type Prompt, textOf } from './moved.ts';

/** One request, with the usage of its answer. */
export interface Asking {
  readonly request: Prompt;
  readonly usage?: Usage | undefined;
  /** Requests of one conversation have the same name, such as that of their run and frame. Default: all are of one. */
  readonly conversation?: string;
}

/** Sums over requests, in input tokens, cached ones included. Divide by `input` for shares. */
export interface PrefixTokens {
  readonly input: number;
  /** Those that the request before had, too, at the same place. A provider can read them from its cache. */
  readonly prefix: number;
  /** `prefix`, if each request had contained the whole request before it. */
  readonly highest: number;
  /** Those that the provider did read from its cache. */
  readonly read: number;
  /** Requests whose usage is unknown. They are in no sum, and neither is the prefix of the request after each. */
  readonly unmetered: number;
}

/**
 * How many input tokens of requests were a prefix that the request before had, too, beside the most that could have been. If only a part of
 * the request before is contained, its tokens are counted by its share of the characters.
 * @param asked in the order in which they were asked, of any number of conversations.
 */
export function prefixTokens(asked: readonly Asking[]): PrefixTokens {
  const last = new Map<string, { request: Prompt; tokens: number | undefined }>();
  const sum = { input: 0, prefix: 0, highest: 0, read: 0, unmetered: 0 };
  for (const { request, usage, conversation = '' } of asked) {
    const before = last.get(conversation);
    const tokens = usage && inputOf(usage);
    last.set(conversation, { request, tokens });
    if (tokens === undefined) {
      sum.unmetered++;
      continue;
    }
    sum.input += tokens;
    sum.read += usage?.cacheRead ?? 0;
    if (before?.tokens === undefined) continue;
    sum.highest += Math.min(before.tokens, tokens);
    sum.prefix += Math.min(Math.round(before.tokens * containedShare(before.request, request)), tokens);
  }
  return sum;
}

/** The share of the characters of `before` that are the beginning of `now`. */
function containedShare(before: Prompt, now: Prompt): number {
  const [was, is] = [partsOf(before), partsOf(now)];
  let same = true;
  let contained = 0;
  let all = 0;
  was.forEach((part, i) => {
    const size = textOf(part).length;
    same &&= i < is.length && isEqual(part, is[i]);
    all += size;
    if (same) contained += size;
  });
  return all === 0 ? 1 : contained / all;
}

/** As providers read a request. The lists of tools are one part: a tool more or fewer moves all that follows. */
const partsOf = ({ tools, instructions, messages }: Prompt): readonly unknown[] => [tools, instructions, ...messages];
