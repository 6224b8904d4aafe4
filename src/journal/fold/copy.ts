import type { RunFold } from './state.ts';

/** Fields whose values are replaced and never mutated, so two folds may share them. All other fields are copied, including new ones. */
const SHARED: ReadonlySet<string> = new Set(
  'started settled cancelled limits usage path input ended state instructions memory tools edited agreed finished asked decided reshaped began'.split(
    ' ',
  ),
);

/** An independent copy of a fold: entries applied to one do not change the other. */
export function copyOf(run: RunFold): RunFold {
  // both folds share the lists in their states from now on, so neither may grow them in place
  run.own = new WeakSet();
  return copied(run, new Map());
}

function copied<T>(value: T, done: Map<unknown, unknown>): T {
  if (typeof value !== 'object' || value === null) return value;
  const known = done.get(value);
  if (known) return known as T;
  const keep = <C extends object>(copy: C): C => {
    done.set(value, copy);
    return copy;
  };
  if (value instanceof WeakSet) return new WeakSet() as T;
  if (value instanceof Map) {
    const map = keep(new Map<unknown, unknown>());
    for (const [key, item] of value) map.set(key, copied(item, done));
    return map as T;
  }
  if (Array.isArray(value)) {
    const list: unknown[] = keep([]);
    for (const item of value) list.push(copied(item, done));
    return list as T;
  }
  const object = keep({ ...(value as object) }) as { [key: string]: unknown };
  for (const key in object) {
    const field = object[key];
    if (typeof field !== 'object' || SHARED.has(key)) continue;
    // messages are immutable, but their list grows
    object[key] = key === 'messages' ? [...(field as readonly unknown[])] : copied(field, done);
  }
  return object as T;
}
