/** The same fields; those that may be undefined are optional, and never undefined where they are there. */
export type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/**
 * A copy without the fields whose value is undefined, for objects that users list, compare or spread over defaults. Not on the way of a turn,
 * where assigning the fields one by one costs less.
 */
export function defined<T extends object>(fields: T): Defined<T> {
  const kept: { [k: string]: unknown } = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) kept[name] = value;
  return kept as Defined<T>;
}
