/** Graphs as Mermaid flowcharts, which GitHub and most editors render. */

import { invalid } from '../errors.ts';
import { agentDefinition } from '../loop/definition.ts';
import type { Agent } from '../loop/types.ts';
import { type GraphDefinition, isGraph, type Node } from './definition.ts';

/** The drawn part of a run's tree, as `inspect()` returns it. */
export interface DrawnAgent {
  agent: string;
  nodes?: readonly { name: string; status: 'active' | 'waiting' | 'completed' | 'failed'; runs: number }[];
  /** Those below it, in which a nested graph is found by its name. */
  agents: readonly DrawnAgent[];
}

const COLOURS = {
  completed: 'fill:#d3f2d8,stroke:#2b8a3e,color:#000',
  active: 'fill:#d0e4ff,stroke:#1864ab,color:#000',
  waiting: 'fill:#fff3bf,stroke:#e67700,color:#000',
  failed: 'fill:#ffd8d8,stroke:#c92a2a,color:#000',
};

/**
 * Draws a graph as a Mermaid flowchart, with a box for each nested graph. If a run is given (`await engine.inspect(runId)`, or one
 * agent of its `tree`), nodes are coloured by their status, and nodes that ran more than once show how often.
 * An edge that a function chooses is dotted. A function without declared targets leads to a question mark.
 * @throws RondoError `CONFIG_INVALID` for an agent that is not a graph, and a run without this graph.
 */
export function toMermaid<I, O, C>(graph: Agent<I, O, C>, run?: DrawnAgent | { readonly tree: DrawnAgent }): string {
  const definition = agentDefinition(graph as Agent);
  if (!isGraph(definition)) throw invalid(`toMermaid() draws graphs, and agent "${definition.name}" is none.`);
  const part = run && find('tree' in run ? run.tree : run, definition.name);
  if (run && !part) throw invalid(`that run has no part of graph "${definition.name}", so it cannot be drawn on it.`);
  const lines = ['flowchart TD'];
  draw(definition, '', part, '  ', lines);
  if (part) for (const [name, style] of Object.entries(COLOURS)) lines.push(`  classDef ${name} ${style}`);
  return `${lines.join('\n')}\n`;
}

function find(tree: DrawnAgent, name: string): DrawnAgent | undefined {
  if (tree.agent === name) return tree;
  for (const child of tree.agents) {
    const found = find(child, name);
    if (found) return found;
  }
  return undefined;
}

function draw(graph: GraphDefinition, prefix: string, run: DrawnAgent | undefined, indent: string, lines: string[]): void {
  // generated ids: a node may be named "end", or with a bracket
  const ids = new Map([...graph.nodes.keys()].map((name, i) => [name, `${prefix}n${i}`]));
  // `end` is a keyword of Mermaid
  const id = (name: string) => (name === 'start' || name === 'end' ? `${prefix}${name}_` : (ids.get(name) as string));
  lines.push(`${indent}${id('start')}(["start"])`);
  for (const [name, node] of graph.nodes) {
    const state = run?.nodes?.find((n) => n.name === name);
    const label = state && state.runs > 1 ? `${name} × ${state.runs}` : name;
    if (node.kind === 'agent' && isGraph(node.agent)) {
      lines.push(`${indent}subgraph ${id(name)} [${quoted(label)}]`);
      draw(
        node.agent,
        `${id(name)}_`,
        run?.agents.find(({ agent }) => agent === node.agent.name),
        `${indent}  `,
        lines,
      );
      lines.push(`${indent}end`);
    } else lines.push(`${indent}${id(name)}${shape(node, label)}`);
    if (state) lines.push(`${indent}class ${id(name)} ${state.status}`);
  }
  lines.push(`${indent}${id('end')}(["end"])`);
  for (const [from, { targets, choose }] of graph.shape.ways) {
    const arrow = choose ? '-.->' : '-->';
    for (const to of targets ?? []) lines.push(`${indent}${id(from)} ${arrow} ${id(to)}`);
    if (!targets) lines.push(`${indent}${id(from)} ${arrow} ${id(from)}_any{{?}}`);
  }
}

function shape(node: Node, label: string): string {
  if (node.kind === 'function') return `[${quoted(label)}]`;
  if (node.kind === 'ask') return `{{${quoted(`${label}: asks a person`)}}}`;
  if (node.kind === 'event') return `([${quoted(`${label}: waits for ${node.event}`)}])`;
  if (node.kind === 'wait') return `([${quoted(`${label}: waits`)}])`;
  return `[[${quoted(node.agent.name === label ? label : `${label}: ${node.agent.name}`)}]]`;
}

/** Escapes characters that are syntax in Mermaid. */
const quoted = (text: string) => `"${text.replace(/[#&<>"]/g, (c) => `#${c.charCodeAt(0)};`).replace(/[\r\n]+/g, ' ')}"`;
