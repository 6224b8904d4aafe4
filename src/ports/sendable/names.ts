import { createHash } from 'node:crypto';

/** Names that a provider takes for names that it may not take, both ways, for one request. */
export interface Aliases {
  alias(name: string): string;
  /** The name behind an alias; a name that was never aliased is itself. */
  original(alias: string): string;
}

/** A name that fits stays as it is; another keeps its legible part and gets a hash, so that it is the same in every request. */
export function aliases(fits: RegExp): Aliases {
  const aliasOf = new Map<string, string>();
  const nameOf = new Map<string, string>();
  return {
    alias(name) {
      const known = aliasOf.get(name);
      if (known !== undefined) return known;
      const alias = unusedName(name, fits, nameOf);
      aliasOf.set(name, alias);
      nameOf.set(alias, name);
      return alias;
    },
    original: (alias) => nameOf.get(alias) ?? alias,
  };
}

/** A name that fits and that `used` does not have: the name itself where it can be. */
export function unusedName(name: string, fits: RegExp, used: { has(name: string): boolean }): string {
  let unused = fits.test(name) ? name : hashed(name, 0, fits);
  for (let salt = 1; used.has(unused); salt++) unused = hashed(name, salt, fits);
  return unused;
}

function hashed(name: string, salt: number, fits: RegExp): string {
  const hash = createHash('sha256').update(`${salt}:${name}`).digest('hex');
  const legible = name.replace(/[^a-zA-Z0-9_-]/g, '_');
  // the longest that a provider takes is 64 or, of ids, 40 characters; some take no hyphens, or nothing but 9 letters and digits
  const made = [55, 31].map((length) => `${legible.slice(0, length)}_${hash.slice(0, 8)}`);
  const plain = `${legible.replaceAll('-', '_').slice(0, 31)}_${hash.slice(0, 8)}`;
  return [...made, plain, hash.slice(0, 9)].find((alias) => fits.test(alias)) ?? plain;
}
