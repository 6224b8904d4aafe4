/** Finds the operation of a request. */
import { model, type Operation } from '../model/model.ts';

export interface Matched {
  readonly operation: Operation;
  /** As they are in the path, still encoded. */
  readonly labels: Readonly<Record<string, string>>;
}

interface Route {
  readonly operation: Operation;
  readonly parts: readonly string[];
}

/** By method and number of segments. */
let routes: Map<string, Route[]> | undefined;

const segments = (path: string): string[] => path.replace(/^\/|\/$/g, '').split('/');
/** Segments that a client would have taken out, so that another path than the one it meant is here. */
const ODD = new Set(['', '.', '..']);
const keyOf = (method: string, length: number) => `${method} ${length}`;

function routesOf(): Map<string, Route[]> {
  if (routes) return routes;
  routes = new Map();
  for (const operation of model().operations) {
    const parts = segments(operation.path);
    const key = keyOf(operation.method, parts.length);
    const list = routes.get(key) ?? [];
    // a path without labels is more exact than one with
    if (operation.path.includes('{')) list.push({ operation, parts });
    else list.unshift({ operation, parts });
    routes.set(key, list);
  }
  return routes;
}

/**
 * @param path the path of the request as it was sent, without its query. Labels are one segment each, a slash in one is encoded; a slash at the
 * end does not matter.
 */
export function match(method: string, path: string): Matched | undefined {
  const given = segments(path);
  if (given.some((part) => ODD.has(part))) return undefined;
  for (const { operation, parts } of routesOf().get(keyOf(method, given.length)) ?? []) {
    const labels: Record<string, string> = {};
    if (
      parts.every((part, i) => {
        if (!part.startsWith('{')) return part === given[i];
        labels[part.slice(1, -1)] = given[i] as string;
        return true;
      })
    )
      return { operation, labels };
  }
  return undefined;
}
