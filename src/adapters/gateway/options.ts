import { invalid } from '../../errors.ts';
import { isAgent } from '../../loop/definition.ts';
import { isTool } from '../../loop/tool.ts';
import type { Agent, Reliability } from '../../loop/types.ts';
import { checkOptions, hint } from '../../options.ts';
import type { Tool, ToolSource } from '../../ports/tool.ts';
import { resolvePolicy } from '../../reliability/policy.ts';
import { checkedEmbedder, type Embedder } from '../ranking/embedder.ts';
import { checkTargetName } from './names.ts';

/** What a gateway makes reachable under one name: tools and agents of your own, or a source of tools. */
export type TargetTools = readonly (Tool | Agent)[] | ToolSource;

export interface GatewayOptions {
  /** The gateway's name in errors and as a searched source. */
  name: string;
  /**
   * By name: a list of tools and agents, or a tool source such as `mcpTools()` or another gateway. A tool is offered as `target___tool`. The name
   * is 1 to 100 letters, digits, `-` and `_`, without `___`.
   */
  targets: { readonly [target: string]: TargetTools };
  /** Timeouts, retries and breaker for the tools of a target, by the target's name. What a tool declares itself comes first. */
  reliability?: { readonly [target: string]: Reliability };
  /**
   * For many tools: they are not in every request. The model finds them with `find_tools` and calls them with `call_tool`, see
   * `OpenedSource.search`. They are ranked by the words of their names, descriptions and parameters, and with `embed` also by vectors. `above`: only once
   * the gateway has more tools than this. Tools that agents answer are in every request. Default false.
   */
  search?: boolean | { readonly above?: number; readonly embed?: Embedder };
  /**
   * Milliseconds that a run waits for a target that opens or lists its tools. A target that takes longer is left out until it has answered.
   * Default 10,000.
   */
  openTimeout?: number;
}

const GATEWAY = {
  name: "name: 'office'",
  targets: 'targets: { mail: [send] }',
  reliability: 'reliability: { mail: { timeout: 10_000 } }',
  search: 'search: { above: 40 }',
  openTimeout: 'openTimeout: 10_000',
} satisfies Record<keyof GatewayOptions, string>;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @returns how the gateway is named in errors. @throws RondoError `CONFIG_INVALID`. */
export function checkGateway(o: GatewayOptions): string {
  const where = typeof o?.name === 'string' ? `gateway "${o.name}"` : 'gateway()';
  checkOptions(o, GATEWAY, where);
  if (typeof o.name !== 'string' || o.name === '') throw invalid(`a gateway needs a name: gateway({ ${GATEWAY.name}, ... }).`);
  if (!isObject(o.targets) || isAgent(o.targets) || isTool(o.targets) || typeof o.targets.open === 'function')
    throw invalid(`${where}: targets is an object, from the name of a target to its tools: ${GATEWAY.targets}.`);
  const names = Object.keys(o.targets);
  if (names.length === 0) throw invalid(`${where} has no targets: ${GATEWAY.targets}.`);
  const folded = new Map<string, string>();
  for (const name of names) {
    checkTargetName(name, where);
    const other = folded.get(name.toLowerCase());
    if (other !== undefined) throw invalid(`${where} has two targets that differ only in case, "${other}" and "${name}". Rename one.`);
    folded.set(name.toLowerCase(), name);
  }
  const { reliability = {}, openTimeout } = o;
  if (!isObject(reliability)) throw invalid(`${where}: reliability is an object by the names of targets: ${GATEWAY.reliability}.`);
  for (const [target, options] of Object.entries(reliability)) {
    if (!Object.hasOwn(o.targets, target)) throw invalid(`${where}: reliability is about a target "${target}". ${hint(target, names)}`);
    checkOptions(options, RELIABILITY, `${where}: reliability of "${target}"`);
    resolvePolicy({ ...options, name: `${where}: reliability of "${target}"` });
  }
  if (o.search !== undefined && typeof o.search !== 'boolean') {
    checkOptions(o.search, SEARCH, `${where}: search`);
    const { above, embed } = o.search;
    if (above !== undefined && !(above >= 0)) throw invalid(`${where}: search.above is ${above}; it is a number of tools, 0 or more.`);
    if (embed !== undefined) checkedEmbedder(embed, `${where}: search`);
  }
  if (openTimeout !== undefined && !(typeof openTimeout === 'number' && openTimeout > 0))
    throw invalid(`${where}: openTimeout is ${openTimeout}; it is milliseconds, a number above 0.`);
  return where;
}

const SEARCH = { above: 'above: 40', embed: "embed: { name: 'titan', embed: (texts) => vectors(texts) }" };

const RELIABILITY = {
  timeout: 'timeout: 10_000',
  longest: 'longest: 600_000',
  deadline: 'deadline: 120_000',
  retry: 'retry: { attempts: 3 }',
  breaker: 'breaker: { failures: 5 }',
} satisfies Record<keyof Reliability, string>;
