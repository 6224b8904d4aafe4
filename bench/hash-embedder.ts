import type { Embedder } from '../src/adapters/memory/index.ts';

/**
 * Vectors without meaning, in place of a model: each word, and each three letters of one, add to a place of the vector by their hash. It is the same on
 * every machine. It finds what shares words or parts of words, and nothing else: no figure with it says how well a real embedder finds.
 */
export function hashEmbedder(dimensions: number): Embedder {
  const vectorOf = (text: string) => {
    const vector = new Float32Array(dimensions);
    const add = (part: string, weight: number) => {
      const hash = hashOf(part);
      const place = (hash >>> 1) % dimensions;
      vector[place] = (vector[place] as number) + (hash & 1 ? weight : -weight);
    };
    for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
      // a short word is in every text
      const weight = Math.min(1, word.length / 6);
      add(word, weight);
      const padded = `<${word}>`;
      for (let i = 0; i + 3 <= padded.length; i++) add(padded.slice(i, i + 3), weight / padded.length);
    }
    return vector;
  };
  return { name: `hash-${dimensions}`, embed: async (texts) => texts.map(vectorOf) };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 2_166_136_261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619);
  return hash >>> 0;
}
