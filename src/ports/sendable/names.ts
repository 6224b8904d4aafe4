import { crypto } from '../../node.ts';

/** Maps names to aliases that a provider accepts, and back, for one request. */
export interface Aliases {
  alias(name: string): string;
  /** The name of an alias. A name that was never aliased is returned unchanged. */
  original(alias: string): string;
}

/** A valid name is unchanged. Any other keeps its legible part and gets a hash, so that its alias is the same in every request. */
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

/** A valid name that is not in `used`: the name itself if possible. */
export function unusedName(name: string, fits: RegExp, used: { has(name: string): boolean }): string {
  let unused = fits.test(name) ? name : hashed(name, 0, fits);
  for (let salt = 1; used.has(unused); salt++) unused = hashed(name, salt, fits);
  return unused;
}

function hashed(name: string, salt: number, fits: RegExp): string {
  const hash = crypto.createHash('sha256').update(`${salt}:${name}`).digest('hex');
  const legible = name.replace(/[^a-zA-Z0-9_-]/g, '_');
  // providers accept at most 64 characters, or 40 for ids; some accept no hyphens, or only 9 letters and digits
  const made = [55, 31].map((length) => `${legible.slice(0, length)}_${hash.slice(0, 8)}`);
  const plain = `${legible.replaceAll('-', '_').slice(0, 31)}_${hash.slice(0, 8)}`;
  return [...made, plain, hash.slice(0, 9)].find((alias) => fits.test(alias)) ?? plain;
}
