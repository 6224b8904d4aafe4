/** What is said of options that do not exist, or that have another name now. */
import { invalid } from './errors.ts';
import { type Json, plainJson } from './json.ts';

/** Options by name, each with an example of it. */
export type Examples = { readonly [option: string]: string };

/**
 * Checks the names of options. One whose value is undefined counts as left out.
 * @param where names what has the options, for the message: `tool "refund"`.
 * @throws RondoError `CONFIG_INVALID` for a value that is not an object, and for an unknown option: the message says which was meant.
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

/** Plain JSON, apart from the caller's own objects; what JSON cannot hold is refused while there is nothing to lose. */
export function plain(value: unknown, what: string): Json {
  if (typeof value === 'string') return value;
  try {
    return plainJson(value) ?? null;
  } catch (error) {
    throw invalid(`${what} must be plain JSON: ${(error as Error).message}.`);
  }
}

/** What to write in place of a name that there is not. */
export function hint(name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  return meant ? `Did you mean "${meant}"?` : `There are ${names.join(', ')}.`;
}

/** The name that was most likely meant: at most a third of its letters differ. */
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

/** Levenshtein's distance; a longer text is not compared with a name. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 20) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length] as number;
}

const told = new Set<string>();

/** Says once in a process that a name has another one now. The old one works. */
export function renamed(old: string, now: string): void {
  if (told.has(old)) return;
  told.add(old);
  process.emitWarning(`${old} is called ${now} now. The old name works, and will be removed.`, 'DeprecationWarning');
}
