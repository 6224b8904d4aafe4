/** A part of a text: from the first unit to the one behind the last. */
export interface Match {
  start: number;
  end: number;
}

/** The text with each match replaced. The matches are in order and do not overlap. */
export function replaced<M extends Match>(text: string, matches: readonly M[], by: (match: M) => string): string {
  let out = '';
  let at = 0;
  for (const match of matches) {
    out += text.slice(at, match.start) + by(match);
    at = match.end;
  }
  return out + text.slice(at);
}
