import { invalid } from '../../errors.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { isAgent } from '../../loop/definition.ts';
import { isTool } from '../../loop/tools/tool.ts';
import type { Agent, Reliability } from '../../loop/types.ts';
import { checkOptions, checkPort, hint } from '../../options.ts';
import type { Policy } from '../../ports/policy.ts';
import type { Tool, ToolSource } from '../../ports/tool.ts';
import { resolvePolicy } from '../../reliability/policy.ts';
import { checkedEmbedder, type Embedder } from '../ranking/embedder.ts';
import { checkInterceptors, type Interceptors } from './interception.ts';
import { checkTargetName } from './names.ts';
import { checkRateLimits, type RateLimit } from './rate-limits.ts';

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
  /**
   * Timeouts, retries and breaker for the tools of a target, by the target's name. What a tool declares itself comes first. Not for a target with agents, whose
   * calls are bounded by `limits`.
   */
  reliability?: { readonly [target: string]: Reliability };
  /**
   * For many tools: they are not in every request. The model finds them with `find_tools` and calls them with `call_tool`, see
   * `OpenedSource.search`. They are ranked by the words of their names, descriptions and parameters, and with `embed` also by vectors. `above`: only once
   * the gateway has more tools than this. Tools that agents answer are in every request. Default false.
   */
  search?: boolean | { readonly above?: number; readonly embed?: Embedder };
  /**
   * Asked at the gateway's door about each call, in addition to the engine's policy, with the tool's full name. With `offers`, only tools are listed and
   * found that it may permit the caller; then the gateway is opened for each caller.
   */
  policy?: Pick<Policy, 'decide' | 'offers'>;
  /** Functions between a call and its target, with the events of an AgentCore gateway. */
  interceptors?: Interceptors;
  /** A call over a limit fails with `GATEWAY_RATE_LIMITED` and `retryAfter`, and does not run. */
  rateLimits?: readonly RateLimit[];
  /** The clock of the rate limits, epoch milliseconds. Default `Date.now`. */
  now?: () => number;
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
  policy: 'policy: { decide: ({ tool }) => ({ allow: true }) }',
  interceptors: 'interceptors: { request: (event) => answer }',
  rateLimits: "rateLimits: [{ dimensionKeys: ['user'], entries: [{ requests: [{ rate: 10, period: 'minute' }] }] }]",
  now: 'now: () => Date.now()',
  openTimeout: 'openTimeout: 10_000',
} satisfies Record<keyof GatewayOptions, string>;

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
  if (!isObject(reliability as unknown))
    throw invalid(`${where}: reliability is an object by the names of targets: ${GATEWAY.reliability}.`);
  for (const [target, options] of Object.entries(reliability)) {
    if (!Object.hasOwn(o.targets, target)) throw invalid(`${where}: reliability is about a target "${target}". ${hint(target, names)}`);
    if (options === undefined) continue;
    checkOptions(options, RELIABILITY, `${where}: reliability of "${target}"`);
    resolvePolicy({ ...options, name: `${where}: reliability of "${target}"` });
  }
  if (o.search !== undefined && typeof o.search !== 'boolean') {
    checkOptions(o.search, SEARCH, `${where}: search`);
    const { above, embed } = o.search;
    if (above !== undefined && !(above >= 0)) throw invalid(`${where}: search.above is ${above}; it is a number of tools, 0 or more.`);
    if (embed !== undefined) checkedEmbedder(embed, `${where}: search`);
  }
  if (o.policy !== undefined) checkPort(o.policy, { needs: ['decide'], may: ['offers'] }, `${where}: the policy`, GATEWAY.policy);
  if (o.interceptors !== undefined) checkInterceptors(o.interceptors, `${where}: interceptors`);
  if (o.rateLimits !== undefined) checkRateLimits(o.rateLimits, `${where}: rateLimits`);
  if (o.now !== undefined && typeof o.now !== 'function') throw invalid(`${where}: now is a function: ${GATEWAY.now}.`);
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
