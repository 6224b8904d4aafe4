/** What `explain` says of extraction. Call it within a transaction. */
import type { Settings } from '../settings.ts';
import type { Strategy } from '../strategies/types.ts';
import { before, variablesOf } from '../templates.ts';

/** Sentences about strategies that may write to a namespace: what they skipped, and what is still open or has failed. */
export function notesOn({ db, space }: Settings, strategies: Iterable<Strategy>, namespace: string): string[] {
  const notes: string[] = [];
  for (const { name, namespace: main, others } of strategies) {
    if (![main, ...Object.values(others)].some((template) => mayHold(template, namespace))) continue;
    const skipped = db
      .prepare('SELECT missing, count(*) AS n FROM extraction_skipped WHERE space = ? AND strategy = ? GROUP BY missing')
      .all(space(), name);
    for (const { missing, n } of skipped)
      notes.push(`The strategy "${name}" skipped ${counted(n as number, 'event')}, without a value for ${listed(missing as string)}.`);
    const { open, failed } = db
      .prepare(
        'SELECT count(*) FILTER (WHERE reason IS NULL) AS open, count(reason) AS failed FROM extraction WHERE space = ? AND strategy = ?',
      )
      .get(space(), name) as { open: number; failed: number };
    if (open > 0) notes.push(`The strategy "${name}" has ${counted(open, 'extraction')} still to do.`);
    if (failed > 0) notes.push(`Of the strategy "${name}", ${counted(failed, 'extraction')} failed: see jobs().`);
  }
  return notes;
}

const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
const listed = (missing: string) => (JSON.parse(missing) as string[]).map((variable) => `{${variable}}`).join(' and ');

/** Whether a namespace begins as the template does, or contains it. */
function mayHold(template: string, namespace: string): boolean {
  const first = variablesOf(template)[0];
  const start = first === undefined ? template : before(template, first);
  return namespace.startsWith(start) || start.startsWith(namespace);
}
