/** Most alternatives and optional parts. Each may double the number of ways to match. */
const MOST_CHOICES = 6;

/**
 * Whether a regular expression certainly matches in linear time: no quantified groups, at most one repeated part, and if there is one, the
 * pattern is anchored with `^`. Other patterns may be linear too, but that is not proved here.
 */
export function isLinear(pattern: string): boolean {
  const anchored = pattern.startsWith('^');
  let depth = 0;
  let repeats = 0;
  let choices = 0;
  for (let rest = pattern; rest !== ''; ) {
    const token = TOKEN.exec(rest)?.[0];
    if (token === undefined) return false;
    rest = rest.slice(token.length);
    if (token === '|') {
      // the `^` does not apply to the alternative after a top-level `|`
      if (depth === 0) return false;
      choices++;
    } else if (token === '(' || token === '(?:') depth++;
    else if (token === ')') {
      depth--;
      if (QUANTIFIER.test(rest)) return false;
    } else if (token === '?') choices++;
    else if (QUANTIFIER.test(token)) {
      const [, least, most = least] = /^\{(\d+)(?:,(\d*))?\}$/.exec(token) ?? [];
      if (least === undefined || least !== most) repeats++;
      if (Number(least ?? 0) > 1_000) return false;
      // a lazy quantifier is as costly as a greedy one
      if (rest.startsWith('?')) rest = rest.slice(1);
    }
  }
  return depth === 0 && choices <= MOST_CHOICES && (repeats === 0 || (repeats === 1 && anchored));
}

const QUANTIFIER = /^(?:[*+?]|\{\d+(?:,\d*)?\})/;
/** An escaped character, a class, a group without lookaround, a quantifier, or any other character. Backreferences do not match. */
const TOKEN =
  /^(?:\\(?:[dDwWsSbBtnrvf0^$\\.*+?()[\]{}|/-]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})|\[(?:\\.|[^\]\\])*\]|\((?:\?:)?(?!\?)|[)|^$.]|[*+?]|\{\d+(?:,\d*)?\}|[^\\()[\]{}*+?|])/su;
