/** Work of several callers at the same time: it runs once for all of them, or for one after the other. */

export interface Lazy<T> {
  (): Promise<T>;
  /** What is loaded or loading. Undefined before the first call, after a failure and after `forget()`. */
  current(): Promise<T> | undefined;
  /** The next call loads again. */
  forget(): void;
}

/** Calls `load` at the first call and gives its promise to every caller. After a failure the next call loads again. */
export function lazy<T>(load: () => Promise<T>): Lazy<T> {
  let current: Promise<T> | undefined;
  const get = () => {
    if (current) return current;
    const loading = load();
    current = loading;
    // only its own failure is forgotten: another load may have begun since
    loading.catch(() => {
      if (current === loading) current = undefined;
    });
    return loading;
  };
  return Object.assign(get, {
    current: () => current,
    forget: () => {
      current = undefined;
    },
  });
}

/** Runs one piece of work at a time for each key. A call joins the one that is under way under its key, and gets its result or its error. */
export function joining<K, T>(): (key: K, work: () => Promise<T>) => Promise<T> {
  const running = new Map<K, Promise<T>>();
  return (key, work) => {
    const known = running.get(key);
    if (known) return known;
    const own = work().finally(() => running.delete(key));
    running.set(key, own);
    return own;
  };
}

/** Runs the pieces of work of each key one after the other, in the order of the calls. A failure is that of its caller alone. */
export function inTurn<K>(): <T>(key: K, work: () => Promise<T>) => Promise<T> {
  const last = new Map<K, Promise<unknown>>();
  return (key, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work);
    const over: Promise<unknown> = turn
      .catch(() => undefined)
      .then(() => {
        if (last.get(key) === over) last.delete(key);
      });
    last.set(key, over);
    return turn;
  };
}
