/** Work that several callers need at the same time and that runs once for all of them. */

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
