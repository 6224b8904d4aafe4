/** Errors for unknown options, and warnings for renamed ones. */
import { invalid } from './errors.ts';
import { type Json, plainJson } from './json.ts';

/** Options by name, each with an example. */
export type Examples = { readonly [option: string]: string };

/**
 * Checks the names of options. An option whose value is undefined is ignored.
 * @param where the owner of the options in messages, such as `tool "refund"`.
 * @throws RondoError `CONFIG_INVALID` for a value that is not an object, and for an unknown option. The message suggests the nearest name.
 */
export function checkOptions(given: unknown, examples: Examples, where: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalid(`${where} takes its options as an object: { ${Object.values(examples)[0]} }.`);
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(examples, name) || value === undefined) continue;
    const meant = nearest(name, Object.keys(examples));
    throw invalid(
      meant
        ? `${where} has no option "${name}". Did you mean "${meant}"? For example: { ${examples[meant]} }.`
        : `${where} has no option "${name}". There are ${Object.keys(examples).join(', ')}.`,
    );
  }
}

/** A copy as plain JSON, so that later changes by the caller have no effect. @throws RondoError `CONFIG_INVALID` if JSON cannot hold it. */
export function plain(value: unknown, what: string): Json {
  if (typeof value === 'string') return value;
  try {
    return plainJson(value) ?? null;
  } catch (error) {
    throw invalid(`${what} must be plain JSON: ${(error as Error).message}.`);
  }
}

/** A suggestion for an unknown name. */
export function hint(name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  return meant ? `Did you mean "${meant}"?` : `There are ${names.join(', ')}.`;
}

/** The most similar name, if at most a third of its letters differ. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of names) {
    const far = distance(name.toLowerCase(), candidate.toLowerCase());
    if (far < least && far <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      least = far;
    }
  }
  return best;
}

/** How many letters must be changed, added, left out or swapped with the next one; infinite if the lengths differ by more than 20. */
export function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 20) return Number.POSITIVE_INFINITY;
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] as number;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1));
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(swapped ? Math.min(least, at(i - 2, j - 2) + 1) : least);
    }
  }
  return at(a.length, b.length);
}

const told = new Set<string>();

/** Warns once per process that a name is deprecated. The old name still works. */
export function renamed(old: string, now: string): void {
  if (told.has(old)) return;
  told.add(old);
  process.emitWarning(`${old} is called ${now} now. The old name works, and will be removed.`, 'DeprecationWarning');
}
