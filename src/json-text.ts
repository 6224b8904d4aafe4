import { MAX_DEPTH, MAX_VALUES } from './json.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const [LIST, LIST_END] = [0x5b, 0x5d];
const [OBJECT, OBJECT_END] = [0x7b, 0x7d];

/**
 * Which limit a text of JSON is over, told before it is parsed: parsed, brackets take up to fifty times the memory of the text. `values` are counted
 * by brackets and commas. Of a text that is not JSON it says anything.
 */
export function overLimit(text: string, { depth = MAX_DEPTH, values = MAX_VALUES } = {}): 'depth' | 'values' | undefined {
  let level = 0;
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfText(text, at);
        break;
      case LIST:
      case OBJECT:
        if (++level > depth) return 'depth';
        if (++count > values) return 'values';
        break;
      case LIST_END:
      case OBJECT_END:
        level--;
        break;
      case COMMA:
        if (++count > values) return 'values';
        break;
    }
  }
  return undefined;
}

/** The position of the quote that ends the text that begins at `start`: the next one that is not escaped. */
function endOfText(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((end - before) % 2 === 0) return end;
  }
  return text.length;
}
