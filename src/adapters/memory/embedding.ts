/** Vectors by a model of the caller's choice. What it cannot answer costs a search its vectors, and no more. */
import { BATCH, type Embedder, vectorsOf } from '../ranking/embedder.ts';
import type { Settings } from './settings.ts';
import { putVector, type Unembedded, unembedded } from './vector-rows.ts';

export interface Embedding {
  readonly name: string;
  /** Undefined if the model failed: then there is a warning. */
  query(text: string): Promise<Float32Array | undefined>;
  /** Makes vectors of records that have none, at most so many. */
  catchUp(most?: number): Promise<void>;
}

export function embedding(settings: Settings, embedder: Embedder): Embedding {
  const { db } = settings;
  const { name } = embedder;
  let working: Promise<void> = Promise.resolve();
  let warned = false;

  /** @returns undefined if the model failed. */
  async function made(texts: readonly string[]): Promise<Float32Array[] | undefined> {
    try {
      return await vectorsOf(embedder, texts);
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
      const vectors = await made(records.map(({ text }) => text));
      if (!vectors) return;
      await db.write(() => {
        for (const [i, record] of records.entries()) putVector(settings, name, record as Unembedded, vectors[i] as Float32Array);
      });
    }
  }

  return {
    name,
    query: async (text) => (await made([text]))?.[0],
    catchUp(most = Number.POSITIVE_INFINITY) {
      // one after the other: two at once would embed the same records
      const done = working.then(() => work(most));
      working = done.catch(() => undefined);
      return done;
    },
  };
}
