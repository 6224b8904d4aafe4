/** Vectors by a model of the caller's choice. What it answers is checked; what it cannot answer costs a search its vectors, and no more. */
import { invalid } from '../../errors.ts';
import type { Settings } from './settings.ts';
import { putVector, type Unembedded, unembedded } from './vector-rows.ts';

export interface Embedder {
  /** The model, such as `amazon.titan-embed-text-v2:0`. Vectors of another name are made again. */
  name: string;
  /** A vector for each text, in order, all of the same length: 1 to 8,192 numbers. */
  embed(texts: readonly string[]): Promise<readonly (readonly number[] | Float32Array)[]>;
}

export interface Embedding {
  readonly name: string;
  /** Undefined if the model failed: then there is a warning. */
  query(text: string): Promise<Float32Array | undefined>;
  /** Makes vectors of records that have none, at most so many. */
  catchUp(most?: number): Promise<void>;
}

/** Texts of one call. */
const BATCH = 64;
const MOST_DIMENSIONS = 8_192;

export function checkedEmbedder(embed: unknown): Embedder {
  const { name, embed: make } = (typeof embed === 'object' && embed !== null ? embed : {}) as Partial<Embedder>;
  if (typeof name !== 'string' || name === '' || typeof make !== 'function')
    throw invalid('sqliteMemory(): embed is { name, embed(texts) }, with the name of the model.');
  return embed as Embedder;
}

export function embedding(settings: Settings, embedder: Embedder): Embedding {
  const { db } = settings;
  const { name } = embedder;
  let working: Promise<void> = Promise.resolve();
  let warned = false;

  /** @returns undefined if the model failed. */
  async function vectorsOf(texts: readonly string[]): Promise<Float32Array[] | undefined> {
    try {
      return checkedVectors(await embedder.embed(texts), texts.length);
    } catch (error) {
      if (!warned)
        process.emitWarning(
          `The embedder ${name} failed: ${error instanceof Error ? error.message : String(error)}. Records are searched by their words until it works again.`,
          'RondoWarning',
        );
      warned = true;
      return undefined;
    }
  }

  async function work(most: number): Promise<void> {
    for (let left = most; left > 0; left -= BATCH) {
      const records = await db.read(() => unembedded(settings, name, Math.min(left, BATCH)));
      if (records.length === 0) return;
      const vectors = await vectorsOf(records.map(({ text }) => text));
      if (!vectors) return;
      await db.write(() => {
        for (const [i, record] of records.entries()) putVector(settings, name, record as Unembedded, vectors[i] as Float32Array);
      });
    }
  }

  return {
    name,
    query: async (text) => (await vectorsOf([text]))?.[0],
    catchUp(most = Number.POSITIVE_INFINITY) {
      // one after the other: two at once would embed the same records
      const done = working.then(() => work(most));
      working = done.catch(() => undefined);
      return done;
    },
  };
}

/** Copies of length 1. @throws Error for what is not vectors of one length. */
function checkedVectors(given: unknown, count: number): Float32Array[] {
  if (!Array.isArray(given) || given.length !== count) throw new Error(`it did not answer with ${count} vectors`);
  const size = (given[0] as ArrayLike<number> | undefined)?.length ?? 0;
  return given.map((numbers: ArrayLike<number>) => {
    if (!(Array.isArray(numbers) || numbers instanceof Float32Array) || numbers.length !== size || size < 1 || size > MOST_DIMENSIONS)
      throw new Error(`it answered with vectors that are not of one length from 1 to ${MOST_DIMENSIONS}`);
    return unit(Float32Array.from(numbers as ArrayLike<number>));
  });
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  if (!Number.isFinite(length)) throw new Error('it answered with a vector that has something else than finite numbers');
  return length === 0 ? vector : vector.map((value) => value / length);
}
