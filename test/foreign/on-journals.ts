import { describe, test } from 'vitest';
import type { Journal } from '../../src/index.ts';
import { type ForeignScript, type ForeignUnderTest, foreignConformance } from '../../src/testing/foreign.ts';
import { journals } from '../kit/journals.ts';

/** The public suite for foreign agents, on each of our journals. */
export function foreignOnJournals(make: (script: ForeignScript) => ForeignUnderTest): void {
  describe.each(journals)('on $name', (kind) => {
    const opened = new Map<Journal, () => Journal>();
    const journal = () => {
      const { journal, another } = kind.make();
      opened.set(journal, another);
      return journal;
    };
    foreignConformance(make, { test, journal, another: (first) => (opened.get(first) as () => Journal)() });
  });
}
