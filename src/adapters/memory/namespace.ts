/** Namespaces: paths of records, such as `/facts/ana/`. */
import { name } from './checks.ts';
import { refused } from './errors.ts';
import type { Settings } from './settings.ts';

const MOST = 1_024;

/** @throws RondoError `MEMORY_INPUT_INVALID` for a template: a record is in one place. */
export function checkedNamespace(value: unknown, field = 'namespace'): string {
  const path = name(value, field, MOST);
  if (/[{}]/.test(path)) throw refused(field, `${path} is a template; give a namespace with the values in place`);
  return path;
}

/** The numbers of the namespaces that a query covers. A `/` at the end makes no difference. */
export function namespacesOf({ db, space }: Settings, path: string, within = true): number[] {
  const exact = path.endsWith('/') ? path.slice(0, -1) : path;
  const rows = within
    ? // `0` is the character after `/`
      db
        .prepare('SELECT nr FROM namespace WHERE space = ? AND (path = ? OR (path >= ? AND path < ?))')
        .all(space(), exact, `${exact}/`, `${exact}0`)
    : db.prepare('SELECT nr FROM namespace WHERE space = ? AND path IN (?, ?)').all(space(), exact, `${exact}/`);
  return rows.map(({ nr }) => nr as number);
}

/** The number of a namespace, which is made if it is new. */
export function makeNamespace({ db, makeSpace }: Settings, path: string): number {
  const space = makeSpace();
  db.prepare('INSERT INTO namespace (space, path) VALUES (?, ?) ON CONFLICT (space, path) DO NOTHING').run(space, path);
  return db.prepare('SELECT nr FROM namespace WHERE space = ? AND path = ?').get(space, path)?.nr as number;
}

/** A path may hold the name of a user, so it goes with the last record. */
export function removeEmptyNamespaces({ db, space }: Settings, numbers: Iterable<number>): void {
  const remove = db.prepare(
    'DELETE FROM namespace WHERE space = ? AND nr = ? AND NOT EXISTS (SELECT 1 FROM record WHERE record.namespace = namespace.nr)',
  );
  for (const nr of new Set(numbers)) remove.run(space(), nr);
}
