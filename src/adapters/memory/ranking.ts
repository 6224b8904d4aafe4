/** One order from several: by words, by vectors, by age, and without repeating itself. */
import { invalid } from '../../errors.ts';
import { fused } from '../ranking/fusion.ts';

/**
 * The weight of each term; 0 leaves it out.
 *
 * score = fused × (1 + recency × 2^(−age / 30 days)) / (1 + recency), where
 * fused = (words / (60 + place by BM25) + vectors / (60 + place by cosine)) × 61 / (words + vectors).
 * Records are taken one by one, each time the one with the highest score × (1 − diversity × its likeness to the nearest one that was taken). Likeness is
 * the cosine, or without vectors the share of words that both have. So a score is more than 0 and at most 1.
 */
export interface Ranking {
  /** Default 1. */
  words: number;
  /** Default 1. Nothing without `embed`. */
  vectors: number;
  /** Default 0.02: a record of today is worth one place more than one of last year. */
  recency: number;
  /** 0 to 1. Default 0.3. */
  diversity: number;
}

const RANKING: Ranking = { words: 1, vectors: 1, recency: 0.02, diversity: 0.3 };

const HALF_LIFE = 30 * 86_400_000;

export interface Candidate {
  readonly nr: number;
  /** Places from 1; undefined: not found that way. */
  readonly byWords: number | undefined;
  readonly byVector: number | undefined;
  readonly createdAt: number;
}

export type Ranked = readonly [nr: number, score: number];

/** @throws RondoError `CONFIG_INVALID` */
export function checkedRanking(given: Partial<Ranking> = {}): Ranking {
  const ranking = { ...RANKING, ...given };
  for (const [term, weight] of Object.entries(ranking)) {
    if (!Object.hasOwn(RANKING, term))
      throw invalid(`sqliteMemory(): ranking has no term "${term}". There are ${Object.keys(RANKING).join(', ')}.`);
    if (!(Number.isFinite(weight) && weight >= 0)) throw invalid(`sqliteMemory(): ranking.${term} is a number from 0.`);
  }
  if (ranking.diversity > 1) throw invalid('sqliteMemory(): ranking.diversity is a number from 0 to 1.');
  if (ranking.words + ranking.vectors === 0) throw invalid('sqliteMemory(): ranking needs words or vectors.');
  return ranking;
}

/** The best, best first. `likeness` of two records is 0 to 1. */
export function ranked(
  candidates: readonly Candidate[],
  ranking: Ranking,
  { now, top, likeness }: { now: number; top: number; likeness: (a: number, b: number) => number },
): Ranked[] {
  const left = candidates.map((candidate) => ({ nr: candidate.nr, score: scoreOf(candidate, ranking, now), nearest: 0 }));
  const taken: Ranked[] = [];
  const worth = ({ score, nearest }: { score: number; nearest: number }) => score * (1 - ranking.diversity * nearest);
  while (taken.length < top && left.length > 0) {
    let best = 0;
    for (let i = 1; i < left.length; i++) if (worth(left[i] as Left) > worth(left[best] as Left)) best = i;
    const [next] = left.splice(best, 1) as [Left];
    taken.push([next.nr, worth(next)]);
    if (ranking.diversity > 0) for (const other of left) other.nearest = Math.max(other.nearest, likeness(next.nr, other.nr));
  }
  return taken;
}

interface Left {
  nr: number;
  score: number;
  nearest: number;
}

function scoreOf({ byWords, byVector, createdAt }: Candidate, { words, vectors, recency }: Ranking, now: number): number {
  const found = fused([
    { weight: words, place: byWords },
    { weight: vectors, place: byVector },
  ]);
  const age = Math.max(0, now - createdAt);
  return (found * (1 + recency * 2 ** (-age / HALF_LIFE))) / (1 + recency);
}
