import { createHash } from 'node:crypto';

const FITS = /^[a-zA-Z0-9_-]{1,64}$/;

/** Names that Bedrock takes for names that it may not take, both ways, for one request. */
export interface Aliases {
  alias(name: string): string;
  /** The name behind an alias; a name that was never aliased is itself. */
  original(alias: string): string;
}

/** A name that fits stays as it is; another keeps its legible part and gets a hash, so that it is the same in every request. */
export function aliases(): Aliases {
  const aliasOf = new Map<string, string>();
  const nameOf = new Map<string, string>();
  return {
    alias(name) {
      const known = aliasOf.get(name);
      if (known !== undefined) return known;
      let alias = FITS.test(name) ? name : hashed(name, 0);
      for (let salt = 1; nameOf.has(alias); salt++) alias = hashed(name, salt);
      aliasOf.set(name, alias);
      nameOf.set(alias, name);
      return alias;
    },
    original: (alias) => nameOf.get(alias) ?? alias,
  };
}

function hashed(name: string, salt: number): string {
  const hash = createHash('sha256').update(`${salt}:${name}`).digest('hex').slice(0, 8);
  return `${name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 55)}_${hash}`;
}

/**
 * Document names as Bedrock takes them: letters, digits, hyphens, brackets, single spaces; no two the same in a request.
 * The extension goes, since its dot is refused and the format is told apart from it.
 */
export function documentNames(): (name: string | undefined) => string {
  const used = new Set<string>();
  return (name) => {
    const base =
      (name ?? '')
        .replace(/\.[a-zA-Z0-9]{1,5}$/, '')
        .replace(/[^a-zA-Z0-9\s\-()[\]]/g, ' ')
        .replace(/\s+/g, ' ')
        .trim()
        .slice(0, 180)
        .trim() || 'document';
    let unique = base;
    for (let n = 2; used.has(unique); n++) unique = `${base} (${n})`;
    used.add(unique);
    return unique;
  };
}
