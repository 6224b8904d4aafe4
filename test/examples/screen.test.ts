import { describe, expect, it } from 'vitest';
import { oneLine, safe, safeLines, wrapped } from '../../examples/kit/safe.ts';
import { Screen } from '../../examples/kit/screen.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get through
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

describe('text of strangers on the screen', () => {
  it.each([
    ['an escape sequence', '\u001b[2K\u001b]0;title\u0007', '<ESC>[2K<ESC>]0;title<BEL>'],
    ['a carriage return', 'amount 9000\ramount 9', 'amount 9000<CR>amount 9'],
    ['backspaces', 'no\b\bok', 'no<BS><BS>ok'],
    ['eight-bit controls', '\u009b31m', '<U+009B>31m'],
    ['zero-width characters', 'pay\u200bpal\u2060\ufeff', 'pay<U+200B>pal<U+2060><U+FEFF>'],
    ['a turned direction', 'exe.\u202egpj', 'exe.<U+202E>gpj'],
    ['tag characters', 'hi\u{e0041}\u{e0042}', 'hi<U+E0041><U+E0042>'],
    ['variation selectors', 'a\ufe0f\u{e0101}', 'a<U+FE0F><U+E0101>'],
    ['blank letters', '\u3164\u115f\u2800', '<U+3164><U+115F><U+2800>'],
    ['separators of lines', 'a\u2028b\u0085c', 'a<U+2028>b<U+0085>c'],
    ['half a character', 'a\ud800', 'a<U+D800>'],
    ['plain words', 'Größe 大 ✓ é', 'Größe 大 ✓ é'],
  ])('%s', (_, text, shown) => {
    expect(safe(text)).toBe(shown);
    expect(safe(text)).not.toMatch(CONTROL);
  });

  it('stays on its line, and within its width', () => {
    expect(oneLine('a\nb\t c', 10)).toBe('a b c');
    expect(oneLine('x'.repeat(20), 10)).toBe(`${'x'.repeat(9)}…`);
    expect(wrapped('one two three four five six', 10, 2)).toEqual(['one two', 'three fou…']);
    expect(safeLines('a\r\n\tb\u001b')).toEqual(['a', '  b<ESC>']);
  });
});

function terminal(env: Record<string, string>, isTTY: boolean) {
  let written = '';
  const write = (text: string) => {
    written += text;
  };
  const output = { write, isTTY, columns: 80 };
  return { screen: new Screen({ input: process.stdin, output, env }), written: () => written };
}

describe('the screen', () => {
  const line = 'COMPLETED  1 step';

  it('writes lines and nothing else without a terminal', () => {
    const { screen, written } = terminal({ TERM: 'xterm' }, false);
    screen.status(() => 'thinking');
    screen.line(line);
    screen.status(undefined);
    expect(written()).toBe(`${line}\n`);
  });

  it('takes its one transient line away before it appends', () => {
    const { screen, written } = terminal({ TERM: 'xterm', NO_COLOR: '1' }, true);
    screen.status(() => 'thinking');
    screen.line('one');
    screen.status(undefined);
    screen.line('two');
    const erase = '\r\u001b[2K';
    expect(written().split(erase)).toEqual(['one\n', expect.stringMatching(/^. thinking$/), 'two\n']);
  });

  it('has colour on a terminal, but for NO_COLOR and a dumb one', () => {
    const painted = (env: Record<string, string>) => {
      const { screen, written } = terminal(env, true);
      screen.line(line);
      return written();
    };
    expect(painted({ TERM: 'xterm' })).toContain('\u001b[1mCOMPLETED');
    expect(painted({ TERM: 'xterm', NO_COLOR: '1' })).toBe(`${line}\n`);
    expect(painted({ TERM: 'dumb' })).toBe(`${line}\n`);
  });
});
