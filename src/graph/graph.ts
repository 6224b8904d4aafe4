import { invalid } from '../errors.ts';
import { ruleProblem } from '../hitl/rules.ts';
import { sha256 } from '../journal/canonical.ts';
import type { Limits } from '../journal/entries/entries.ts';
import { declaredSchema, VENDOR } from '../json-schema.ts';
import { isLength } from '../loop/call/wait.ts';
import { agentIn, checkLimits, checkName, made } from '../loop/definition.ts';
import type { Agent } from '../loop/types.ts';
import { checkOptions } from '../options.ts';
import { isName } from '../ports/principal.ts';
import type { In, JsonSchema, Out, Schema, SchemaLike } from '../schema.ts';
import type { GraphDefinition, Node } from './definition.ts';
import { schedule } from './schedule.ts';
import { shapeOf } from './shape.ts';
import type { ContextOfNodes, GraphOptions } from './types.ts';

const RESERVED: ReadonlySet<string> = new Set(['start', 'end']);

/**
 * Declares a graph: an agent whose steps are nodes, joined by edges, around a typed state.
 *
 * A join node waits until no running branch can still reach it through a declared edge. Then it runs once. A node that has ended is in
 * the journal and never runs again. A function that a crash interrupted runs again from its start: put what it must not repeat into
 * `ctx.durable()`.
 * @throws RondoError `CONFIG_INVALID` for a node without an edge, an edge to an unknown node, an unreachable node, and a loop without an exit.
 */
export function graph<const SS extends SchemaLike, A extends Record<string, unknown>, O = Out<SS>>(
  o: GraphOptions<SS, A, O>,
): Agent<In<SS>, O, ContextOfNodes<A>> {
  checkOptions(o, GRAPH, typeof o?.name === 'string' ? `graph "${o.name}"` : 'graph()');
  const { name } = o;
  checkName(name, 'graph', "graph({ name: 'report', ... })");
  if (typeof o.nodes !== 'object' || o.nodes === null || Object.keys(o.nodes).length === 0)
    throw invalid(`graph "${name}" has no nodes: nodes: { plan: (state) => ({ ... }) }.`);
  if (typeof o.edges !== 'object' || o.edges === null)
    throw invalid(`graph "${name}" has no edges: edges: { start: 'first', first: 'end' }.`);
  checkLimits(o.limits, `graph "${name}"`);
  if (o.parallel !== undefined && !(Number.isInteger(o.parallel) && o.parallel > 0))
    throw invalid(`graph "${name}": parallel must be a whole number above 0.`);
  const input = declaredSchema(o.state, `the state of graph "${name}"`);
  if (input.json.type !== 'object')
    throw invalid(`the state of graph "${name}" must be an object schema: its fields are what nodes update.`);
  const fields = fieldsOf(input.schema, input.json);
  if (fields && o.reducers)
    checkOptions(o.reducers, Object.fromEntries([...fields].map((field) => [field, `${field}: append`])), `graph "${name}": reducers`);
  for (const [key, reducer] of Object.entries(o.reducers ?? {}))
    if (reducer !== undefined && typeof reducer !== 'function')
      throw invalid(`graph "${name}": the reducer of "${key}" is not a function.`);
  const nodes = new Map<string, Node>(Object.entries(o.nodes).map(([key, spec]) => [key, nodeOf(name, key, spec)]));
  const shape = shapeOf(name, new Set(nodes.keys()), o.edges);
  const agents = [...nodes.values()].flatMap((node) => (node.kind === 'agent' ? [node.agent] : []));
  const definition: GraphDefinition = made<GraphDefinition>({
    kind: 'graph',
    name,
    description: o.description,
    input,
    fields,
    nodes,
    shape,
    reducers: (o.reducers ?? {}) as GraphDefinition['reducers'],
    result: o.output as GraphDefinition['result'],
    tools: new Map(),
    sources: [],
    agents,
    limits: (o.limits ?? {}) as Limits,
    use: [],
    reliability: {},
    parallel: o.parallel ?? 8,
    fingerprint: sha256(
      JSON.stringify([
        name,
        input.json,
        [...nodes].map(([n, { kind }]) => [n, kind]),
        [...shape.ways].map(([n, w]) => [n, w.targets ?? null]),
      ]),
    ).slice(0, 16),
    child: (node) => {
      const found = nodes.get(node);
      return found?.kind === 'agent' ? found.agent : undefined;
    },
    drive: (scope) => schedule(scope, definition),
  });
  return definition as Agent<In<SS>, O, ContextOfNodes<A>>;
}

const GRAPH = {
  name: "name: 'report'",
  description: "description: 'Writes a report'",
  state: 'state: z.object({ topic: z.string() })',
  reducers: 'reducers: { notes: append }',
  nodes: 'nodes: { plan: (state) => ({ topic: state.topic.trim() }) }',
  edges: "edges: { start: 'plan', plan: 'end' }",
  output: 'output: (state) => state.notes',
  limits: 'limits: { steps: 30 }',
  parallel: 'parallel: 4',
} satisfies Record<keyof GraphOptions<Schema, Record<never, never>, unknown>, string>;

const AGENT_NODE = {
  agent: 'agent: research',
  input: 'input: (state) => state.topic',
  output: 'output: (answer) => ({ notes: [answer] })',
};
const ASK_NODE = {
  ask: "ask: (state) => 'Send it?'",
  answer: 'answer: z.object({ ok: z.boolean() })',
  output: 'output: (answer) => ({ ok: answer.ok })',
  reason: "reason: 'it goes to customers'",
  roles: "roles: ['lead']",
  expires: 'expires: 86_400_000',
};

const EVENT_NODE = {
  event: "event: 'reply'",
  key: 'key: (s) => s.ticketId',
  schema: 'schema: z.object({ text: z.string() })',
  for: 'for: 3 * 86_400_000',
  output: 'output: (mail) => ({ text: mail.text })',
  timeout: 'timeout: () => ({ silent: true })',
};
const WAIT_NODE = { wait: 'wait: (state) => ({ for: 3_600_000 })' };

/** The names of the state's fields; undefined if the schema allows others. Plain JSON Schema does, unless `additionalProperties` is false. */
function fieldsOf(schema: Schema, { properties, additionalProperties }: JsonSchema): ReadonlySet<string> | undefined {
  const open = additionalProperties ?? schema['~standard'].vendor === VENDOR;
  return open || typeof properties !== 'object' || properties === null ? undefined : new Set(Object.keys(properties));
}

const optionsOf = (spec: object) =>
  'ask' in spec
    ? ASK_NODE
    : 'agent' in spec
      ? AGENT_NODE
      : 'wait' in spec
        ? WAIT_NODE
        : 'event' in spec
          ? EVENT_NODE
          : { ...AGENT_NODE, ...ASK_NODE, ...WAIT_NODE, ...EVENT_NODE };

function nodeOf(graphName: string, name: string, spec: unknown): Node {
  const where = `graph "${graphName}": node "${name}"`;
  if (RESERVED.has(name)) throw invalid(`${where} has a name that is taken: every graph has its start and its end.`);
  if (typeof spec === 'function') return { kind: 'function', run: spec as Extract<Node, { kind: 'function' }>['run'] };
  if (typeof spec !== 'object' || spec === null) throw noNode(where);
  checkOptions(spec, optionsOf(spec), where);
  const { agent, input, output, ask, wait, answer, reason, roles, expires } = spec as { [key: string]: unknown };
  if (typeof wait === 'function') return { kind: 'wait', wait } as Extract<Node, { kind: 'wait' }>;
  if (typeof output !== 'function' && (agent !== undefined || ask !== undefined || 'event' in (spec as object)))
    throw invalid(`${where} has no output function: what of the state does its result change?`);
  if ('event' in (spec as object)) return eventNode(where, spec as { [key: string]: unknown });
  const definition = agentIn(agent);
  if (definition) {
    if (typeof input !== 'function') throw invalid(`${where} has no input function: what of the state is its agent given?`);
    return { kind: 'agent', agent: definition, input, output } as Extract<Node, { kind: 'agent' }>;
  }
  if (typeof ask !== 'function') throw noNode(where);
  const wrong = ruleProblem({ reason, roles, expires });
  if (wrong !== undefined) throw invalid(`${where}: ${wrong}.`);
  const rule = { reason, roles, expires, allow: ['respond'] } as Extract<Node, { kind: 'ask' }>['rule'];
  return { kind: 'ask', ask, answer: declaredSchema(answer, `the answer of ${where}`), rule, output } as Extract<Node, { kind: 'ask' }>;
}

const noNode = (where: string) =>
  invalid(
    `${where} is neither a function, nor { agent, input, output }, nor { ask, answer, output }, nor { wait }, nor { event, key, schema, for, output }.`,
  );

function eventNode(where: string, { event, key, schema, for: ms, output, timeout }: { [key: string]: unknown }): Node {
  if (!isName(event)) throw invalid(`${where}: event is the name of an event, ${EVENT_NODE.event}.`);
  if (typeof key !== 'function') throw invalid(`${where}: key is a function of the state, ${EVENT_NODE.key}.`);
  if (!isLength(ms) || ms === 0) throw invalid(`${where}: for is a number of milliseconds above 0, ${EVENT_NODE.for}.`);
  if (timeout !== undefined && typeof timeout !== 'function') throw invalid(`${where}: timeout is a function, ${EVENT_NODE.timeout}.`);
  const data = declaredSchema(schema, `the event of ${where}`);
  return { kind: 'event', event, key, schema: data, for: ms, output, timeout } as Extract<Node, { kind: 'event' }>;
}
