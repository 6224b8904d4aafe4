import type { ModelDelta } from '../../ports/model.ts';
import type { AttemptContext } from '../../reliability/timeout.ts';
import type { SecretStream } from '../../secrets.ts';
import type { LoopScope, Transient } from '../types.ts';

/** Most characters of arguments streamed in one attempt. `model.finished` has them all. */
const MOST_ARGUMENTS = 1_000_000;
/** Most calls whose arguments are streamed in one attempt, because each has its own mask. */
const MOST_CALLS = 128;

type Show = (text: string) => void;

/** Streams the deltas of one model attempt to listeners, with secrets masked. */
export class Streaming {
  readonly #attempt: AttemptContext;
  readonly #scope: LoopScope;
  readonly #number: number;
  readonly #step: number;
  readonly #asked = performance.now();
  /** By stream: `text`, `reasoning`, or one per call. A secret may be split over several deltas of a stream. */
  readonly #masks = new Map<string, { mask: SecretStream; show: Show }>();
  readonly #calls = new Set<string>();
  readonly #held: boolean;
  #left = MOST_ARGUMENTS;
  #over = false;
  /** Seconds from the request to the first delta. */
  firstChunk: number | undefined;

  /** @param held nothing is shown: the answer is checked first, as a whole. */
  constructor(attempt: AttemptContext, scope: LoopScope, number: number, step: number, held: boolean) {
    this.#attempt = attempt;
    this.#scope = scope;
    this.#number = number;
    this.#step = step;
    this.#held = held;
  }

  /** Shows a delta, and restarts the timeout of the attempt. Deltas after `end()`, or of an attempt that was given up, are dropped. */
  readonly emit = (delta: ModelDelta): void => {
    // an attempt that timed out may still emit
    if (this.#over || this.#attempt.signal.aborted) return;
    this.firstChunk ??= (performance.now() - this.#asked) / 1000;
    this.#attempt.alive();
    if (this.#held) return;
    if (delta.type === 'toolCall') this.#argument(delta);
    else this.#masked(delta.type, delta.text, this.#showText(delta.type));
  };

  get signal() {
    return this.#attempt.signal;
  }

  get alive() {
    return this.#attempt.alive;
  }

  /** Flushes the masks. Later deltas are dropped. */
  end(): void {
    this.#over = true;
    if (this.#attempt.signal.aborted) return;
    for (const { mask, show } of this.#masks.values()) {
      const rest = mask.end();
      if (rest) show(rest);
    }
  }

  #argument({ id, name, text }: ModelDelta & { type: 'toolCall' }): void {
    if (text.length > this.#left || (!this.#calls.has(id) && this.#calls.size >= MOST_CALLS)) {
      // stop for good, because a reader would join the text around a gap
      this.#left = 0;
      return;
    }
    this.#left -= text.length;
    this.#calls.add(id);
    this.#masked(`call ${id}`, text, (shown) => {
      const { mask: told } = this.#scope.secrets;
      this.#emit({ type: 'tool.delta', id: told(id), tool: told(name), text: shown, attempt: this.#number });
    });
  }

  #emit(event: Transient): void {
    this.#scope.drive.emit?.(event, this.#step, this.#scope.frame);
  }

  #showText(type: 'text' | 'reasoning'): Show {
    return (text) => this.#emit({ type: type === 'text' ? 'text.delta' : 'reasoning.delta', text, attempt: this.#number });
  }

  #masked(of: string, text: string, show: Show): void {
    const { secrets } = this.#scope;
    if (!secrets.active) {
      show(text);
      return;
    }
    let masked = this.#masks.get(of);
    if (!masked) {
      masked = { mask: secrets.stream(), show };
      this.#masks.set(of, masked);
    }
    const told = masked.mask.next(text);
    if (told !== '') show(told);
  }
}
