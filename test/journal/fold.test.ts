import { describe, expect, test } from 'vitest';
import { copyOf } from '../../src/journal/copy.ts';
import { type Draft, type Entry, VERSION } from '../../src/journal/entries.ts';
import { apply, emptyFold } from '../../src/journal/fold.ts';
import { lives } from './lives.ts';

const entriesOf = (drafts: readonly Draft[]) =>
  structuredClone(drafts).map((draft, seq) => ({ ...draft, v: VERSION, seq, at: 1_000 + seq }) as Entry);

function folded(entries: readonly Entry[]) {
  const run = emptyFold('r', 'a');
  for (const entry of entries) apply(run, entry);
  return run;
}

describe.each(Object.keys(lives))('%s', (name) => {
  const entries = entriesOf((lives[name] as Draft[][]).flat());

  test('a copy and the fold it was made of go on without each other', () => {
    for (let at = 1; at <= entries.length; at++) {
      const [before, after] = [entries.slice(0, at), entries.slice(at)];
      for (const first of ['the copy', 'the original']) {
        const run = folded(before);
        const copy = copyOf(run);
        expect(copy).toEqual(run);
        const [one, two] = first === 'the copy' ? [copy, run] : [run, copy];
        for (const entry of after) apply(one, entry);
        expect(one, `${first} after entry ${at}`).toEqual(folded(entries));
        expect(two, `what ${first} left behind after entry ${at}`).toEqual(folded(before));
        for (const entry of after) apply(two, entry);
        expect(two).toEqual(folded(entries));
      }
    }
  });
});
