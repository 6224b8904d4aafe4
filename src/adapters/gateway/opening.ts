import { closeQuietly } from '../../engine/drive/sources.ts';
import { invalid } from '../../errors.ts';
import type { ChangedList } from '../../ports/materials.ts';
import type { OpenedSource, SourceCaller, ToolSource } from '../../ports/tool.ts';

interface Now {
  readonly opened: Promise<OpenedSource>;
  readonly stop: AbortController;
  close(): Promise<void>;
}

/** A source that is opened once for all who have joined, and closed when the last of them has left. After a failure it can be opened again. */
export class Opening {
  readonly #source: ToolSource;
  readonly #caller: SourceCaller;
  readonly #listeners = new Set<(list?: ChangedList) => void>();
  #now: Now | undefined;

  constructor(source: ToolSource, caller: SourceCaller = {}) {
    this.#source = source;
    this.#caller = caller;
  }

  /** @param onChanged called when the source offers something else: which list, or nothing if any may be another. @returns how to leave, which is to be called once. */
  join(onChanged: (list?: ChangedList) => void): () => Promise<void> {
    const listener = (list?: ChangedList) => onChanged(list);
    this.#listeners.add(listener);
    return async () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      const now = this.#now;
      this.#now = undefined;
      await now?.close();
    };
  }

  /** The opened source: the same promise while it opens and is open. */
  open(): Promise<OpenedSource> {
    this.#now ??= this.#start();
    return this.#now.opened;
  }

  #start(): Now {
    const stop = new AbortController();
    let ready: OpenedSource | undefined;
    let release: (() => void) | undefined;
    const watched = async (): Promise<OpenedSource> => {
      const opened = await this.#source.open({ signal: stop.signal, ...this.#caller });
      if (stop.signal.aborted) {
        void closeQuietly(opened);
        throw new Error('it was closed before it was open');
      }
      if (opened.search && !opened.find) {
        void closeQuietly(opened);
        throw invalid(`the source "${this.#source.name}" has search() but no find(name), by which a run in another process gets its tool.`);
      }
      ready = opened;
      release = opened.changed?.((list) => {
        for (const listener of this.#listeners) listener(list);
      });
      return opened;
    };
    const now: Now = {
      opened: watched(),
      stop,
      async close() {
        stop.abort();
        if (ready) await closeQuietly(ready, release);
      },
    };
    now.opened.catch(() => {
      if (this.#now === now) this.#now = undefined;
    });
    return now;
  }
}
