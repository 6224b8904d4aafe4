/** Vectors by a model of the caller's choice. What it answers is checked. */
import { invalid } from '../../errors.ts';

export interface Embedder {
  /** The model, such as `amazon.titan-embed-text-v2:0`. Vectors of another name are made again. */
  name: string;
  /** A vector for each text, in order, all of the same length: 1 to 8,192 numbers. */
  embed(texts: readonly string[]): Promise<readonly (readonly number[] | Float32Array)[]>;
}

/** Texts of one call. */
export const BATCH = 64;
const MOST_DIMENSIONS = 8_192;

/** @param where whose option it is, such as `sqliteMemory()`. @throws RondoError `CONFIG_INVALID` */
export function checkedEmbedder(embed: unknown, where: string): Embedder {
  const { name, embed: make } = (typeof embed === 'object' && embed !== null ? embed : {}) as Partial<Embedder>;
  if (typeof name !== 'string' || name === '' || typeof make !== 'function')
    throw invalid(`${where}: embed is { name, embed(texts) }, with the name of the model.`);
  return embed as Embedder;
}

/** Asks for vectors, as copies of length 1: their product is the cosine. @throws Error for what is not vectors of one length. */
export async function vectorsOf(embedder: Embedder, texts: readonly string[]): Promise<Float32Array[]> {
  const given: unknown = await embedder.embed(texts);
  if (!Array.isArray(given) || given.length !== texts.length) throw new Error(`it did not answer with ${texts.length} vectors`);
  const size = (given[0] as ArrayLike<number> | undefined)?.length ?? 0;
  return given.map((numbers: ArrayLike<number>) => {
    if (!(Array.isArray(numbers) || numbers instanceof Float32Array) || numbers.length !== size || size < 1 || size > MOST_DIMENSIONS)
      throw new Error(`it answered with vectors that are not of one length from 1 to ${MOST_DIMENSIONS}`);
    // a text of digits, or null, would become a number without a word
    return unit(Float32Array.from(numbers as ArrayLike<number>, (value) => (typeof value === 'number' ? value : Number.NaN)));
  });
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  if (!Number.isFinite(length)) throw new Error('it answered with a vector that has something else than finite numbers');
  return length === 0 ? vector : vector.map((value) => value / length);
}

/** The product of two vectors of the same length that begin at these places. */
export function product(a: Float32Array, i: number, b: Float32Array, j: number, dimensions: number): number {
  let sum = 0;
  for (let k = 0; k < dimensions; k++) sum += (a[i + k] as number) * (b[j + k] as number);
  return sum;
}
