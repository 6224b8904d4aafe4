/** The structure of a declared graph, computed once: its edges, which nodes are upstream of which, and checks that every run can end. */
import { invalid } from '../errors.ts';

/** A parsed `Route`. */
export interface Way {
  /** The declared targets; undefined for a function that may choose any node. */
  targets: readonly string[] | undefined;
  /** Chooses among the targets; undefined if the edge leads to all of them. */
  choose: ((state: unknown) => unknown) | undefined;
}

export interface Shape {
  readonly ways: ReadonlyMap<string, Way>;
  /** By node: the nodes from which it can be reached through declared edges, back edges left out. */
  readonly upstream: ReadonlyMap<string, Nodes>;
}

/** @throws RondoError `CONFIG_INVALID` for an edge to an unknown node, an unreachable node, and a node from which `end` is unreachable. */
export function shapeOf(name: string, nodes: ReadonlySet<string>, edges: Readonly<Record<string, unknown>>): Shape {
  const ways = new Map<string, Way>();
  for (const from of ['start', ...nodes]) {
    if (!Object.hasOwn(edges, from))
      throw invalid(
        `graph "${name}": "${from}" has no edge. Say where it leads: edges: { ${from}: '${from === 'start' ? [...nodes][0] : 'end'}' }.`,
      );
    const way = wayOf(name, from, edges[from]);
    for (const to of way.targets ?? [])
      if (to !== 'end' && !nodes.has(to))
        throw invalid(
          `graph "${name}": the edge from "${from}" leads to "${to}", which is not a node. There are ${[...nodes, 'end'].join(', ')}.`,
        );
    ways.set(from, way);
  }
  for (const from of Object.keys(edges))
    if (!ways.has(from)) throw invalid(`graph "${name}": there is an edge from "${from}", which is not a node.`);
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

/** A reachable function without declared targets may choose any node, so it makes every node reachable. */
function assertReached(name: string, nodes: ReadonlySet<string>, ways: ReadonlyMap<string, Way>): void {
  const reached = new Set<string>(['start']);
  for (const from of reached) {
    const { targets } = ways.get(from) as Way;
    if (!targets) return;
    for (const to of targets) if (to !== 'end') reached.add(to);
  }
  const lost = [...nodes].filter((node) => !reached.has(node));
  if (lost.length > 0) throw invalid(`graph "${name}": no edge leads to ${lost.map((n) => `"${n}"`).join(', ')}. Add one, or take it out.`);
}

/** `end` must be reachable from every node. A loop without an exit, or a join after one, would never complete. */
function assertEnds(name: string, nodes: ReadonlySet<string>, ways: ReadonlyMap<string, Way>): void {
  const leading = new Map<string, string[]>();
  const ends = new Set<string>(['end']);
  for (const node of nodes) {
    const { targets } = ways.get(node) as Way;
    if (!targets) ends.add(node);
    for (const to of targets ?? []) {
      const from = leading.get(to);
      if (from) from.push(node);
      else leading.set(to, [node]);
    }
  }
  for (const to of ends) for (const from of leading.get(to) ?? []) ends.add(from);
  const stuck = [...nodes].filter((node) => !ends.has(node));
  if (stuck.length > 0)
    throw invalid(`graph "${name}": from ${stuck.map((n) => `"${n}"`).join(', ')} no way leads to the end. Add an edge to 'end'.`);
}

/** A set of nodes as a bit set. In a long chain each node has all earlier ones upstream, so `Set`s would take quadratic memory. */
export class Nodes {
  readonly #places: ReadonlyMap<string, number>;
  readonly #bits: Uint32Array;
  size = 0;

  constructor(places: ReadonlyMap<string, number>) {
    this.#places = places;
    this.#bits = new Uint32Array((places.size + 31) >> 5);
  }

  has(node: string): boolean {
    const place = this.#places.get(node);
    return place !== undefined && ((this.#bits[place >> 5] as number) & (1 << (place & 31))) !== 0;
  }

  add(node: string): void {
    const place = this.#places.get(node);
    if (place === undefined || this.has(node)) return;
    this.#bits[place >> 5] = (this.#bits[place >> 5] as number) | (1 << (place & 31));
    this.size++;
  }

  addAll(others: Nodes): void {
    for (let i = 0; i < this.#bits.length; i++) this.#bits[i] = (this.#bits[i] as number) | (others.#bits[i] as number);
    // an upper bound, which counts nodes of both sets twice: callers only compare it with 0
    this.size += others.size;
  }
}

/** Back edges are left out. The rest is acyclic, so no two nodes wait for each other. */
function upstreamOf(nodes: ReadonlySet<string>, ways: ReadonlyMap<string, Way>): Map<string, Nodes> {
  const places = new Map([...nodes].map((node, i) => [node, i]));
  const before = new Map([...nodes].map((node) => [node, new Nodes(places)]));
  const { order, forward } = forwardOf(nodes, ways);
  for (const from of order)
    for (const to of forward.get(from) ?? []) {
      const all = before.get(to) as Nodes;
      if (from === 'start') continue;
      all.add(from);
      all.addAll(before.get(from) as Nodes);
    }
  return before;
}

/** The edges without back edges, found by a depth-first search, and a topological order of the nodes. */
function forwardOf(nodes: ReadonlySet<string>, ways: ReadonlyMap<string, Way>): { order: string[]; forward: Map<string, string[]> } {
  const forward = new Map<string, string[]>();
  const state = new Map<string, 'open' | 'done'>();
  const done: string[] = [];
  for (const root of ['start', ...nodes]) {
    if (state.has(root)) continue;
    // iterative: a graph may be deeper than the call stack
    const walk = [{ from: root, next: 0 }];
    state.set(root, 'open');
    forward.set(root, []);
    for (let at = walk.at(-1); at; at = walk.at(-1)) {
      const to = ways.get(at.from)?.targets?.[at.next++];
      if (to === undefined) {
        state.set(at.from, 'done');
        done.push(at.from);
        walk.pop();
      } else if (to !== 'end' && state.get(to) !== 'open') {
        forward.get(at.from)?.push(to);
        if (state.has(to)) continue;
        state.set(to, 'open');
        forward.set(to, []);
        walk.push({ from: to, next: 0 });
      }
    }
  }
  // reverse postorder is a topological order
  return { order: done.toReversed(), forward };
}
