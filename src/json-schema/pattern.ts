/** More of these could be tried in more ways than a text has characters. */
const MOST_CHOICES = 6;

/**
 * Whether a regular expression surely takes time in proportion to the text: its parts follow each other, at most one of them repeats, and
 * where one does, the match begins at the start of the text. Others may be as harmless; these are harmless whatever their source.
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
      // what follows is another pattern, which does not begin with the anchor
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
      // a lazy one is tried in as many ways
      if (rest.startsWith('?')) rest = rest.slice(1);
    }
  }
  return depth === 0 && choices <= MOST_CHOICES && (repeats === 0 || (repeats === 1 && anchored));
}

const QUANTIFIER = /^(?:[*+?]|\{\d+(?:,\d*)?\})/;
/** An escape of one character, a class, a group that looks nowhere else, a quantifier, any other character; nothing that refers back. */
const TOKEN =
  /^(?:\\(?:[dDwWsSbBtnrvf0^$\\.*+?()[\]{}|/-]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})|\[(?:\\.|[^\]\\])*\]|\((?:\?:)?(?!\?)|[)|^$.]|[*+?]|\{\d+(?:,\d*)?\}|[^\\()[\]{}*+?|])/su;
