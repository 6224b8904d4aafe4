/**
 * The vectors of a gateway's tools.
 *
 * I1. A text is embedded once: by searches at the same time, of other callers, after a change of other tools too.
 * I2. An embedder that throws, hangs or answers something else than vectors costs a search its vectors, and no more.
 */
import { sha256 } from '../../journal/canonical.ts';
import type { Tool } from '../../ports/tool.ts';
import { messageOf } from '../../reliability/classify.ts';
import { inTime } from '../../reliability/patience.ts';
import { BATCH, type Embedder, product, vectorsOf } from '../ranking/embedder.ts';
import { wordsOf } from '../ranking/words.ts';

/** Milliseconds that a search waits for vectors. Without them, words decide. */
const PATIENCE = 5_000;
/** Milliseconds for the vectors of one batch of tools. Later ones are not taken, and asked for again at the next search. */
const BATCH_PATIENCE = 60_000;
/** Vectors that are kept of tools which are not listed now. */
const MOST_KEPT = 10_000;

export class ToolVectors {
  readonly #embedder: Embedder;
  /** By the hash of the text; what was listed last is at the end. */
  readonly #kept = new Map<string, Float32Array>();
  readonly #lists = new WeakMap<readonly Tool[], readonly Float32Array[]>();
  readonly #prepared = new WeakSet<readonly Tool[]>();
  #working: Promise<unknown> = Promise.resolve();
  #warned = false;

  constructor(embedder: Embedder) {
    this.#embedder = embedder;
  }

  /** Begins to make what is missing, so that the first search need not wait for it. @param closed ends it. */
  prepare(tools: readonly Tool[], closed: AbortSignal): void {
    if (this.#lists.has(tools) || this.#prepared.has(tools)) return;
    this.#prepared.add(tools);
    this.#vectors(tools, closed).catch((error) => {
      this.#prepared.delete(tools);
      if (!closed.aborted) this.#warn(error);
    });
  }

  /** How near each tool is to the query, from -1 to 1, in the order of the list; undefined, with a warning, if the model failed or took too long. */
  async nearness(tools: readonly Tool[], query: string): Promise<Float64Array | undefined> {
    const made = async () => {
      const [[asked], own] = await Promise.all([vectorsOf(this.#embedder, [query]), this.#lists.get(tools) ?? this.#vectors(tools)]);
      return { asked: asked as Float32Array, own };
    };
    try {
      const { asked, own } = await inTime(made(), PATIENCE, `the embedder ${this.#embedder.name}`);
      return Float64Array.from(own, (vector) => {
        if (vector.length !== asked.length) throw new Error(`its vectors are of ${vector.length} and of ${asked.length} numbers`);
        return product(vector, 0, asked, 0, asked.length);
      });
    } catch (error) {
      this.#warn(error);
      return undefined;
    }
  }

  /** One list after the other: two at once would embed the same texts. */
  #vectors(tools: readonly Tool[], closed?: AbortSignal): Promise<readonly Float32Array[]> {
    const made = this.#working.then(() => this.#lists.get(tools) ?? this.#made(tools, closed));
    this.#working = made.catch(() => undefined);
    return made;
  }

  async #made(tools: readonly Tool[], closed: AbortSignal | undefined): Promise<readonly Float32Array[]> {
    const texts = tools.map(textOf);
    const keys = texts.map((text) => sha256(text));
    const missing = [...new Map(keys.map((key, i) => [key, texts[i] as string]))].filter(([key]) => !this.#kept.has(key));
    for (let i = 0; i < missing.length; i += BATCH) {
      closed?.throwIfAborted();
      const some = missing.slice(i, i + BATCH);
      const asked = vectorsOf(
        this.#embedder,
        some.map(([, text]) => text),
      );
      const vectors = await inTime(asked, BATCH_PATIENCE, `the embedder ${this.#embedder.name}`);
      for (const [k, [key]] of some.entries()) this.#kept.set(key, vectors[k] as Float32Array);
    }
    const own = keys.map((key) => {
      const vector = this.#kept.get(key) as Float32Array;
      this.#kept.delete(key);
      this.#kept.set(key, vector);
      return vector;
    });
    this.#lists.set(tools, own);
    for (const key of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT + tools.length) break;
      this.#kept.delete(key);
    }
    return own;
  }

  #warn(error: unknown): void {
    if (!this.#warned)
      process.emitWarning(
        `The embedder ${this.#embedder.name} failed: ${messageOf(error)}. Tools are found by their words until it works again.`,
        'RondoWarning',
      );
    this.#warned = true;
  }
}

/** Words of a name, and characters of a description, that are looked at. */
const MOST = { name: 64, description: 2_000 };

/** What is known of a tool, as a text for a model: the name in words. Names of parameters would make tools alike that are not. */
const textOf = ({ name, description }: Tool) => `${wordsOf(name, MOST.name).join(' ')}: ${description.slice(0, MOST.description)}`;
