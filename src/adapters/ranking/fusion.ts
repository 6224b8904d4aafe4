/** The constant of reciprocal rank fusion: the first places count more, but none counts alone. */
const K = 60;

/** What several rankings give something, more than 0 and at most 1. @param places from 1; undefined: the ranking does not have it. */
export function fused(places: readonly { readonly weight: number; readonly place: number | undefined }[]): number {
  let [sum, weights] = [0, 0];
  for (const { weight, place } of places) {
    weights += weight;
    if (place !== undefined) sum += weight / (K + place);
  }
  return (sum * (K + 1)) / weights;
}

/**
 * What words and vectors give each of the same things, from 0 to 1: the scores of both, brought to the same range. It keeps how much better the first is
 * than the second, which places do not, so that one word that all share does not count as much as the only tool with a meaning.
 * @param words scores from 0; @param nearness cosines. @param weight of the words; that of the nearness is the rest.
 */
export function blended(words: Float64Array, nearness: Float64Array, weight: number): Float64Array {
  let [most, nearest, farthest] = [0, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const score of words) most = Math.max(most, score);
  for (const cosine of nearness) [nearest, farthest] = [Math.max(nearest, cosine), Math.min(farthest, cosine)];
  const range = nearest - farthest;
  return words.map((score, i) => {
    const near = range > 0 ? ((nearness[i] as number) - farthest) / range : 0;
    return weight * (most > 0 ? score / most : 0) + (1 - weight) * near;
  });
}
