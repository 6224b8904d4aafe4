import type { ChangedList } from '../../../ports/materials.ts';
import type { ToolSource } from '../../../ports/tool.ts';

/** A list that may be another now, or the URI of a resource that is. */
export type Change = ChangedList | { readonly updated: string };

/** Tells the clients of an offering what is another now. */
export class Changes {
  readonly #listeners = new Set<(change: Change) => void>();

  tell(...changes: readonly Change[]): void {
    for (const change of changes) for (const listener of this.#listeners) listener(change);
  }

  /** The source has another list, of those that it passes on. @param list undefined: it may have others of all. */
  ofSource({ passes = [] }: ToolSource, list?: ChangedList): void {
    const lists: readonly ChangedList[] = ['tools', ...passes.filter((kind) => kind !== 'completions')];
    this.tell(...lists.filter((one) => list === undefined || one === list));
  }

  /** @returns a function that removes the listener. */
  on(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
