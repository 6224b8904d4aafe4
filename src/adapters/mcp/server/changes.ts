import type { ToolSource } from '../../../ports/tool.ts';
import type { ChangedList } from '../dialect.ts';

/** A list that may be another now, or the URI of a resource that is. */
export type Change = ChangedList | { readonly updated: string };

/** Tells the clients of an offering what is another now. */
export class Changes {
  readonly #listeners = new Set<(change: Change) => void>();

  tell(...changes: readonly Change[]): void {
    for (const change of changes) for (const listener of this.#listeners) listener(change);
  }

  /** The source may have others of all that it has. */
  ofSource({ passes = [] }: ToolSource): void {
    this.tell('tools', ...passes.filter((kind) => kind !== 'completions'));
  }

  /** @returns a function that removes the listener. */
  on(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
