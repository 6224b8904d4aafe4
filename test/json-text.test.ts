import { describe, expect, test } from 'vitest';
import { type Json, MAX_DEPTH, MAX_VALUES } from '../src/json.ts';
import { overLimit } from '../src/json-text.ts';

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

describe('the limit that a text of JSON is over', () => {
  test('is found by its brackets, objects and lists alike', () => {
    expect([overLimit(nested(3), { depth: 3 }), overLimit(nested(4), { depth: 3 })]).toEqual([undefined, 'depth']);
    expect(overLimit('{"a":[{"b":1}]}', { depth: 2 })).toBe('depth');
    expect(overLimit('[[],[],{},{"a":{}}]', { depth: 3 })).toBeUndefined();
    expect([overLimit(nested(MAX_DEPTH)), overLimit(nested(MAX_DEPTH + 1))]).toEqual([undefined, 'depth']);
  });

  test('is that of its values too', () => {
    expect([overLimit('[1,2,3]', { values: 3 }), overLimit('[1,2,3,4]', { values: 3 })]).toEqual([undefined, 'values']);
    expect([overLimit('{"a":{},"b":{}}', { values: 4 }), overLimit('{"a":{},"b":{}}', { values: 3 })]).toEqual([undefined, 'values']);
    const many = `[${'{},'.repeat(MAX_VALUES / 2)}{}]`;
    expect(overLimit(many)).toBe('values');
  });

  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a text
  test.each<Json>(['[[[[', '"[[[["', '\\', '\\"[[', '\\\\"[[,,,,', 'a\\', '\u2028[', '${[[}', { '[[\\"': ['"', '\\\\', '[,'] }])(
    'is not that of a text in it: %j',
    (value) => {
      expect(overLimit(JSON.stringify([value, value]), { depth: 3, values: 10 })).toBeUndefined();
      // and what follows such a text counts
      expect(overLimit(JSON.stringify([value, [[[[]]]]]), { depth: 4 })).toBe('depth');
    },
  );

  test.each(['"[[[[', '"\\"[[[[', '"\\', ']]]]', '', 'x'])('is found for a text that is not JSON, or not: it ends for %j', (text) => {
    expect(overLimit(text, { depth: 3 })).toBeUndefined();
  });

  test('is found in a time that grows with the text alone', () => {
    const text = `["${'\\\\'.repeat(1_000_000)}","${'\\"'.repeat(1_000_000)}",${nested(300)}]`;
    expect(overLimit(text)).toBe('depth');
  });
});
