/** What a graph's declaration says about its ways, worked out once: which nodes wait for which, and what cannot work. */
import { invalid } from '../loop/definition.ts';

/** A route without its function. */
export interface Way {
  /** The targets that are written down; undefined where a function may say anything. */
  targets: readonly string[] | undefined;
  /** Goes to all of them, where nothing is chosen. */
  choose: ((state: unknown) => unknown) | undefined;
}

export interface Shape {
  readonly ways: ReadonlyMap<string, Way>;
  /** By node: those from which it can be reached by edges that are written down, loops left out. */
  readonly upstream: ReadonlyMap<string, ReadonlySet<string>>;
}

/** @throws RondoError `CONFIG_INVALID` for edges that lead nowhere, nodes that nothing leads to, and ways without an end. */
export function shapeOf(name: string, nodes: ReadonlySet<string>, edges: Readonly<Record<string, unknown>>): Shape {
  const ways = new Map<string, Way>();
  for (const from of ['start', ...nodes]) {
    if (!Object.hasOwn(edges, from))
      throw invalid(`graph "${name}": "${from}" has no edge. Say where it leads: edges: { ${from}: 'end' }.`);
    const way = wayOf(name, from, edges[from]);
    for (const to of way.targets ?? [])
      if (to !== 'end' && !nodes.has(to))
        throw invalid(`graph "${name}": the edge from "${from}" leads to "${to}", which is no node. There are ${[...nodes].join(', ')}.`);
    ways.set(from, way);
  }
  for (const from of Object.keys(edges))
    if (!ways.has(from)) throw invalid(`graph "${name}": there is an edge from "${from}", which is no node.`);
  assertReached(name, nodes, ways);
  assertEnds(name, nodes, ways);
  return { ways, upstream: upstreamOf(nodes, ways) };
}

function wayOf(name: string, from: string, route: unknown): Way {
  if (typeof route === 'string') return { targets: [route], choose: undefined };
  if (typeof route === 'function') return { targets: undefined, choose: route as Way['choose'] };
  if (isTargets(route)) return { targets: [...new Set(route)], choose: undefined };
  const { to, choose } = (route ?? {}) as { to?: unknown; choose?: unknown };
  if (isTargets(to) && typeof choose === 'function') return { targets: [...new Set(to)], choose: choose as Way['choose'] };
  throw invalid(
    `graph "${name}": the edge from "${from}" is a node's name, a list of names, a function, or { to: [names], choose: function }.`,
  );
}

const isTargets = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((target) => typeof target === 'string');

/** A function without named targets may lead anywhere, so that nothing is known to be out of reach. */
function assertReached(name: string, nodes: ReadonlySet<string>, ways: ReadonlyMap<string, Way>): void {
  const reached = new Set<string>();
  const walk = (from: string): boolean => {
    const way = ways.get(from) as Way;
    if (!way.targets) return false;
    return way.targets.every((to) => {
      if (to === 'end' || reached.has(to)) return true;
      reached.add(to);
      return walk(to);
    });
  };
  if (!walk('start')) return;
  const lost = [...nodes].filter((node) => !reached.has(node));
  if (lost.length > 0) throw invalid(`graph "${name}": no edge leads to ${lost.map((n) => `"${n}"`).join(', ')}. Add one, or take it out.`);
}

/** A join behind a loop without a way out, or a loop by itself, would never complete. */
function assertEnds(name: string, nodes: ReadonlySet<string>, ways: ReadonlyMap<string, Way>): void {
  const ends = new Set<string>(['end']);
  for (let grown = true; grown; ) {
    grown = false;
    for (const node of ['start', ...nodes]) {
      const way = ways.get(node) as Way;
      if (ends.has(node) || (way.targets && !way.targets.some((to) => ends.has(to)))) continue;
      ends.add(node);
      grown = true;
    }
  }
  const stuck = [...nodes].filter((node) => !ends.has(node));
  if (stuck.length > 0)
    throw invalid(`graph "${name}": from ${stuck.map((n) => `"${n}"`).join(', ')} no way leads to the end. Add an edge to 'end'.`);
}

/** Without the edges that go back around a loop, what comes before what is an order: no two nodes can wait for each other. */
function upstreamOf(nodes: ReadonlySet<string>, ways: ReadonlyMap<string, Way>): Map<string, Set<string>> {
  const before = new Map<string, Set<string>>([...nodes].map((node) => [node, new Set<string>()]));
  const forward = new Map<string, string[]>();
  const state = new Map<string, 'open' | 'done'>();
  const order: string[] = [];
  const walk = (from: string) => {
    state.set(from, 'open');
    const ahead: string[] = [];
    for (const to of ways.get(from)?.targets ?? []) {
      if (to === 'end' || state.get(to) === 'open') continue;
      ahead.push(to);
      if (!state.has(to)) walk(to);
    }
    forward.set(from, ahead);
    state.set(from, 'done');
    order.push(from);
  };
  for (const from of ['start', ...nodes]) if (!state.has(from)) walk(from);
  // the last to be done has nothing before it
  for (const from of order.toReversed())
    for (const to of forward.get(from) ?? []) {
      const all = before.get(to) as Set<string>;
      if (from !== 'start') all.add(from);
      for (const node of before.get(from) ?? []) all.add(node);
    }
  return before;
}
