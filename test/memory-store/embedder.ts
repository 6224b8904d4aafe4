import type { Embedder } from 'rondo/memory';

/** Vectors without meaning: each word adds to one place of the vector, by its hash. It finds what shares words, and nothing else. */
export function hashEmbedder(dimensions: number): Embedder {
  return {
    name: `hash-${dimensions}`,
    embed: async (texts) =>
      texts.map((text) => {
        const vector = new Float32Array(dimensions);
        for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
          let hash = 2_166_136_261;
          for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 16_777_619);
          (vector[(hash >>> 1) % dimensions] as number) += hash & 1 ? 1 : -1;
        }
        const length = Math.hypot(...vector) || 1;
        return vector.map((value) => value / length);
      }),
  };
}
