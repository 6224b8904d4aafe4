import { posix } from 'node:path';
import { type Import, importsOf } from './imports.ts';

/** Each layer may import those before it. */
export const LAYERS = [
  'ports',
  'journal',
  'pricing',
  'telemetry',
  'reliability',
  'hitl',
  'loop',
  'foreign',
  'graph',
  'engine',
  'index.ts',
  'server',
  'adapters',
  'testing',
  'bench',
  'cli',
];
/** Below all layers. */
const BASE = [
  'days.ts',
  'defined.ts',
  'errors.ts',
  'flight.ts',
  'json.ts',
  'json-text.ts',
  'json-schema',
  'json-schema.ts',
  'node.ts',
  'options.ts',
  'schema.ts',
  'secrets.ts',
  'spellings.ts',
  'unawaited.ts',
];

/** What the core may import besides Node, and how at most. Everything else is an adapter's. */
const CORE: Record<string, Import['kind']> = {
  '@opentelemetry/api': 'value',
  'p-retry': 'value',
  opossum: 'value',
  '@cfworker/json-schema': 'dynamic',
  croner: 'dynamic',
  '@standard-schema/spec': 'type',
};
/** What `server` may import besides: optional peers, which most servers do without. */
const SERVER: Record<string, Import['kind']> = { jose: 'dynamic', standardwebhooks: 'dynamic' };
/** What the command is built from. The build bundles it, so that the package does not depend on it. */
const CLI = ['commander', 'cli-table3', 'cli-progress', 'uplot', 'esbuild'];
/** Nodes's own, but an adapter's: it warns on Node 22, and a core without it starts faster. */
const ADAPTERS_ONLY = ['node:sqlite'];

/** The SDK of each adapter, each an optional peer. An adapter that is not listed has none. */
const SDK: Record<string, readonly string[]> = {
  aws: ['@aws-sdk/client-sts'],
  bedrock: ['@aws-sdk/client-bedrock-runtime'],
  mcp: ['@modelcontextprotocol/sdk', '@modelcontextprotocol/client', '@modelcontextprotocol/server'],
  langgraph: ['@langchain/langgraph', '@langchain/core'],
  langchain: ['@langchain/core'],
  strands: ['@strands-agents/sdk'],
  'ai-sdk': ['ai'],
  'openai-agents': ['@openai/agents-core'],
  a2a: ['@a2a-js/sdk', 'jose'],
  'ag-ui': ['@ag-ui/core'],
  agentcore: ['@aws-sdk/client-bedrock-agentcore', '@hono/node-server', 'hono', 'jose', 'oidc-provider', 'ws'],
  gateway: ['@readme/openapi-parser'],
  identity: ['openid-client'],
  journal: ['@aws-sdk/client-dynamodb', 'pg'],
  policy: ['@cedar-policy/cedar-wasm'],
};
/** The adapters that an adapter is built on. */
const BUILT_ON: Record<string, readonly string[]> = {
  agentcore: ['a2a', 'ag-ui', 'aws', 'gateway', 'identity', 'journal', 'keys', 'mcp', 'memory', 'policy', 'ranking'],
  gateway: ['aws', 'ranking'],
  identity: ['keys', 'sqlite'],
  journal: ['keys'],
  // a user's consents and tokens
  mcp: ['identity', 'ranking'],
  memory: ['ranking', 'sqlite'],
  // how a SQLite file is locked and written
  sqlite: ['journal'],
};

const ORDER: readonly Import['kind'][] = ['type', 'dynamic', 'value'];
const packageOf = (specifier: string) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const buildsOn = (adapter: string, other: string) => adapter === other || BUILT_ON[adapter]?.includes(other) === true;

interface Place {
  layer: string;
  rank: number;
  adapter: string | undefined;
}

function placeOf(file: string): Place | undefined {
  const [, layer = '', adapter] = file.split('/');
  const rank = BASE.includes(layer) ? 0 : LAYERS.indexOf(layer) + 1;
  if (rank === 0 && !BASE.includes(layer)) return undefined;
  return { layer, rank, adapter: layer === 'adapters' ? adapter : undefined };
}

/**
 * What breaks the direction of imports. `files` maps each source, `src/...`, to its text;
 * `peers` are the packages that a user may leave out.
 */
export function directionProblems(files: ReadonlyMap<string, string>, peers: readonly string[]): string[] {
  const problems: string[] = [];
  const loads = new Map<string, string[]>();
  for (const [file, text] of files) {
    const from = placeOf(file);
    if (!from) {
      problems.push(`${file}: belongs to no layer; the layers are in scripts/direction.ts`);
      continue;
    }
    const imported: string[] = [];
    loads.set(file, imported);
    for (const use of importsOf(file, text)) {
      const report = (why: string) => problems.push(`${file}:${use.line}: imports ${use.specifier}: ${why}`);
      if (!use.specifier.startsWith('.')) {
        const why = foreign(from, use, peers);
        if (why) report(why);
        continue;
      }
      const target = posix.join(posix.dirname(file), use.specifier);
      const to = placeOf(target);
      if (!files.has(target)) report('there is no such source file');
      else if (!to) continue;
      else if (to.rank > from.rank) report(`${from.layer} is before ${to.layer}`);
      else if (from.adapter !== undefined && to.adapter !== undefined && !buildsOn(from.adapter, to.adapter))
        report(`${from.adapter} is not built on ${to.adapter}`);
      if (use.kind !== 'dynamic') imported.push(target);
    }
  }
  const cycle = cycleIn(loads);
  if (cycle) problems.push(`files that import each other: ${cycle.join(' -> ')}`);
  return problems;
}

/** Why this import of something outside the package is not allowed. */
function foreign(from: Place, { specifier, kind }: Import, peers: readonly string[]): string | undefined {
  if (specifier.startsWith('node:'))
    return ADAPTERS_ONLY.includes(specifier) && from.layer !== 'adapters' ? 'only adapters may' : undefined;
  const name = packageOf(specifier);
  const core = Object.hasOwn(CORE, name) ? CORE[name] : undefined;
  if (core) return ORDER.indexOf(kind) > ORDER.indexOf(core) ? `only as a ${core} import` : undefined;
  if (from.layer === 'server' && Object.hasOwn(SERVER, name))
    return ORDER.indexOf(kind) > ORDER.indexOf(SERVER[name] as Import['kind']) ? `only as a ${SERVER[name]} import` : undefined;
  if (from.layer === 'cli' && CLI.includes(name)) return undefined;
  if (from.adapter === undefined) return `not among the packages ${from.layer} may import`;
  if (!SDK[from.adapter]?.includes(name)) return `not the SDK of the adapter ${from.adapter}`;
  return peers.includes(name) ? undefined : 'not an optional peer in package.json';
}

function cycleIn(loads: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const walk = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const next of loads.get(file) ?? []) {
      const cycle = walk(next);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of loads.keys()) {
    const cycle = walk(file);
    if (cycle) return cycle;
  }
  return undefined;
}
