/** Scopes as OAuth writes them: words with spaces between. */
const wordsOf = (scope: string | undefined): string[] => (scope ?? '').split(/\s+/).filter((word) => word !== '');

/** The scopes of both, in order; undefined if there are none. */
export function scopesWith(one: string | undefined, other: string | undefined): string | undefined {
  const all = [...new Set([...wordsOf(one), ...wordsOf(other)])];
  return all.length > 0 ? all.join(' ') : undefined;
}

/** Whether `scope` holds all of `wanted`. */
export function hasScopes(scope: string | undefined, wanted: string | undefined): boolean {
  const there = new Set(wordsOf(scope));
  return wordsOf(wanted).every((word) => there.has(word));
}

export { wordsOf };
