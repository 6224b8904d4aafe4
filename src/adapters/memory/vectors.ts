/**
 * Exact search by vectors: all of a space's are in one array of this process, and each is compared. They have length 1, so that the product is the cosine.
 */
import { product } from '../ranking/embedder.ts';
import type { Settings } from './settings.ts';

export interface Near {
  readonly nr: number;
  readonly similarity: number;
}

export interface VectorIndex {
  /** Records of these namespaces that have not expired, nearest first. `only`: of these numbers. */
  nearest(query: Float32Array, namespaces: readonly number[], most: number, only?: ReadonlySet<number>): Near[];
  /** The cosine of the vectors of two records. Undefined if one has none. */
  similarity(a: number, b: number): number | undefined;
}

/** Rows of the array that are added at once. */
const STEP = 1_024;

/** Call its functions within a transaction: they read what is new. */
export function vectorIndex(settings: Settings, embedder: string): VectorIndex {
  const { db, space, now } = settings;
  let dimensions = 0;
  let changes = -1;
  let revision = 0;
  let rows = new Float32Array(0);
  let numbers: number[] = [];
  let namespaces: number[] = [];
  let expires: number[] = [];
  let places = new Map<number, number>();

  function clear(): void {
    rows = new Float32Array(0);
    numbers = [];
    namespaces = [];
    expires = [];
    places = new Map();
    revision = 0;
  }

  function load(size: number): void {
    const current = (db.prepare('SELECT vectors FROM space WHERE nr = ?').get(space())?.vectors as number | undefined) ?? 0;
    if (current !== changes || size !== dimensions) clear();
    changes = current;
    dimensions = size;
    const fresh = db
      .prepare(
        `SELECT v.record, v.revision, v.value, r.namespace, r.expires_at FROM vector v JOIN record r ON r.nr = v.record
         WHERE v.space = ? AND v.embedder = ? AND v.revision > ? ORDER BY v.revision`,
      )
      .iterate(space(), embedder, revision);
    for (const row of fresh) {
      revision = row.revision as number;
      const bytes = row.value as Uint8Array;
      // a model that answers with another number of dimensions under the same name
      if (bytes.byteLength === 4 * size) add(row as unknown as Added, new Float32Array(bytes.slice().buffer));
    }
  }

  function add({ record, namespace, expires_at }: Added, vector: Float32Array): void {
    const place = numbers.length;
    if ((place + 1) * dimensions > rows.length) {
      const wider = new Float32Array(Math.max(2 * rows.length, STEP * dimensions));
      wider.set(rows);
      rows = wider;
    }
    rows.set(vector, place * dimensions);
    numbers.push(record);
    namespaces.push(namespace);
    expires.push(expires_at ?? Number.POSITIVE_INFINITY);
    places.set(record, place);
  }

  return {
    nearest(query, within, most, only) {
      load(query.length);
      const allowed = new Set(within);
      const time = now();
      const found: Near[] = [];
      let least = Number.NEGATIVE_INFINITY;
      for (let place = 0; place < numbers.length; place++) {
        if (!allowed.has(namespaces[place] as number) || (expires[place] as number) <= time) continue;
        const nr = numbers[place] as number;
        if (only && !only.has(nr)) continue;
        const similarity = product(rows, place * dimensions, query, 0, dimensions);
        if (found.length === most && similarity <= least) continue;
        found.splice(placeIn(found, similarity), 0, { nr, similarity });
        if (found.length > most) found.pop();
        least = (found.at(-1) as Near).similarity;
      }
      return found;
    },
    similarity(a, b) {
      const [i, j] = [places.get(a), places.get(b)];
      return i === undefined || j === undefined ? undefined : product(rows, i * dimensions, rows, j * dimensions, dimensions);
    },
  };
}

interface Added {
  record: number;
  namespace: number;
  expires_at: number | null;
}

/** Behind all that are at least as near. */
function placeIn(found: readonly Near[], similarity: number): number {
  let [low, high] = [0, found.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((found[middle] as Near).similarity >= similarity) low = middle + 1;
    else high = middle;
  }
  return low;
}
