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
