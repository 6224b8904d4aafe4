import { ToolError } from '../errors.ts';
import type { Reached } from '../journal/entries/entries.ts';
import { isUnawaited } from '../unawaited.ts';
import type { GraphDefinition } from './definition.ts';
import { keep, type State } from './state.ts';

/**
 * The nodes that follow a node, for the current state. `end` adds none.
 * @throws ToolError `ROUTE_INVALID` for a name that is not a node.
 */
export function routed(graph: GraphDefinition, from: string, state: State): readonly Reached[] {
  const way = graph.shape.ways.get(from);
  if (!way) throw new ToolError('ROUTE_INVALID', `graph "${graph.name}" has no node "${from}" any more.`);
  const { choose, targets = [] } = way;
  const chosen: unknown = choose ? choose(state) : targets;
  const list: readonly unknown[] = Array.isArray(chosen) ? chosen : [chosen];
  const next: Reached[] = [];
  for (const target of list) {
    const reached = reachedBy(target);
    if (!reached || (reached.node !== 'end' && !graph.nodes.has(reached.node)) || (way.targets && !way.targets.includes(reached.node)))
      throw new ToolError(
        'ROUTE_INVALID',
        `the edge from "${from}" chose ${told(target)}, which is not one of its targets. There are ${(way.targets ?? [...graph.nodes.keys(), 'end']).join(', ')}.`,
      );
    if (reached.node !== 'end') next.push(reached);
  }
  return next;
}

function reachedBy(target: unknown): Reached | undefined {
  if (typeof target === 'string') return { node: target };
  const { node, input } = (target ?? {}) as { node?: unknown; input?: unknown };
  if (typeof node !== 'string') return undefined;
  const kept = keep(input);
  return kept === undefined ? { node } : { node, input: kept };
}

function told(target: unknown): string {
  if (isUnawaited(target)) return 'a promise (a route decides at once)';
  return typeof target === 'object' ? (JSON.stringify(target)?.slice(0, 100) ?? 'nothing') : `"${String(target).slice(0, 100)}"`;
}
