/** Why a search found what it found, or nothing. Call it within a transaction. */
import { distance } from '../../options.ts';
import type { Explanation } from '../../ports/memory-store.ts';
import { namespacesOf } from './namespace.ts';
import { all, type Condition, type Covered, covered } from './record-filter.ts';
import { best, type CheckedSearch, type SearchBy } from './search.ts';
import type { Settings } from './settings.ts';
import { wordsOf } from './terms.ts';

/** Most namespaces that are told, and that are compared. */
const TOLD = 5;
const COMPARED = 1_000;

type Steps = Explanation['steps'];

/** @param among namespaces that may be named, with those below. */
export function explained(settings: Settings, query: CheckedSearch, by: SearchBy, among?: readonly string[]): Explanation {
  const cover = covered(settings, query);
  const { namespace, strategy, metadata, alive } = cover;
  const count = (...conditions: (Condition | undefined)[]) => countOf(settings, all(conditions));
  const { matched, ranked } = best(settings, query, cover, by);
  const steps: Steps = [
    { step: 'namespace', records: count(namespace) },
    { step: 'strategy', records: count(namespace, strategy) },
    { step: 'metadata', records: count(namespace, strategy, metadata) },
    { step: 'expired', records: count(namespace, strategy, metadata, alive) },
    { step: 'matched', records: matched },
    { step: 'top', records: ranked.length },
  ];
  const near = steps[0]?.records === 0 ? nearTo(settings, query.namespace, among) : own(settings, cover);
  return { why: whyOf(query, steps, near, by), near, steps };
}

const countOf = ({ db }: Settings, { sql, values }: Condition): number =>
  db.prepare(`SELECT count(*) AS n FROM record r WHERE ${sql}`).get(...values)?.n as number;

function whyOf(
  { namespace, text, strategy, metadata }: CheckedSearch,
  steps: Steps,
  near: Explanation['near'],
  { vectors }: SearchBy,
): string {
  const lost = steps.find(({ records }) => records === 0)?.step;
  const kept = (step: Steps[number]['step']) => steps.find((each) => each.step === step)?.records;
  switch (lost) {
    case 'namespace':
      return near.length > 0
        ? `No namespace ${namespace} has records; ${near.map((each) => `${each.namespace} has ${each.records}`).join(', ')}.`
        : `No namespace ${namespace} has records, and none is near to it. Records are added by extraction, which takes a while, or by add().`;
    case 'strategy':
      return `None of the ${kept('namespace')} records of ${namespace} is of the strategy ${strategy}.`;
    case 'metadata':
      return `None of the ${kept('strategy')} records of ${namespace} has metadata that holds ${metadata.map(({ key, is }) => `${key} ${is}`).join(', ')}.`;
    case 'expired':
      return `All ${kept('metadata')} records of ${namespace} that are asked for have expired.`;
    case 'matched':
      return wordsOf(text).length === 0
        ? 'The text has no words to search for.'
        : `None of the ${kept('expired')} records of ${namespace} has a word of the text${vectors ? '' : ', and there is no embedder to find others by meaning'}.`;
    default:
      return `${kept('top')} of ${kept('expired')} records of ${namespace} were found, by ${vectors ? 'words and vectors' : 'words'}; ${kept('matched')} were candidates.`;
  }
}

interface Place {
  namespace: string;
  records: number;
}

const placesOf = ({ db }: Settings, numbers: readonly number[], most: number): Place[] =>
  db
    .prepare(
      `SELECT n.path AS namespace, count(*) AS records FROM namespace n JOIN record r ON r.namespace = n.nr
       WHERE n.nr IN (SELECT value FROM json_each(?)) GROUP BY n.nr ORDER BY n.path LIMIT ?`,
    )
    .all(JSON.stringify(numbers), most)
    .map(({ namespace, records }) => ({ namespace: namespace as string, records: records as number }));

const own = (settings: Settings, { namespaces }: Covered): Place[] => placesOf(settings, namespaces, TOLD);

/** Those below the longest part of the path that has any, the most similar first. */
function nearTo(settings: Settings, path: string, among: readonly string[] | undefined): Place[] {
  const allowed = new Set((among ?? []).flatMap((each) => namespacesOf(settings, each)));
  for (let above = path.replace(/\/$/, ''); above !== ''; ) {
    above = above.slice(0, Math.max(0, above.lastIndexOf('/')));
    const numbers = namespacesOf(settings, `${above}/`).slice(0, COMPARED);
    const told = among === undefined ? numbers : numbers.filter((nr) => allowed.has(nr));
    if (told.length > 0)
      return placesOf(settings, told, COMPARED)
        .sort((a, b) => distance(a.namespace, path) - distance(b.namespace, path))
        .slice(0, TOLD);
  }
  return [];
}
