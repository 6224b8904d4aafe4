import { invalid } from '../../errors.ts';
import { isAgent } from '../../loop/definition.ts';
import { delegated } from '../../loop/sub-agent.ts';
import { definition, isTool } from '../../loop/tools/tool.ts';
import type { Reliability, ToolDefinition } from '../../loop/types.ts';
import type { OpenedSource, SourceCaller, Tool, ToolSource } from '../../ports/tool.ts';
import type { Door } from './door.ts';
import { Interception } from './interception.ts';
import type { GatewayMaterials } from './materials.ts';
import { type GatewayTool, Offered, unguarded } from './offered.ts';
import { hides, offersOf } from './offers.ts';
import { OpenedTargets } from './opened.ts';
import { Opening } from './opening.ts';
import { checkGateway, type GatewayOptions, type TargetTools } from './options.ts';
import { RateLimits } from './rate-limits.ts';
import { ToolSearch } from './search.ts';
import { Target } from './target.ts';

/** A tool source that is made of others. */
export interface Gateway extends ToolSource {
  /** The names of its targets, in order. */
  readonly targets: readonly string[];
  readonly agents: readonly Tool[];
  open(o: { signal: AbortSignal } & SourceCaller): Promise<OpenedGateway>;
}

/** A gateway that is opened. One that was opened for a caller offers what that caller may have. */
export interface OpenedGateway extends OpenedSource {
  /** Every tool that can be listed now, also those that agents answer and those that are only found. */
  all(): Promise<readonly GatewayTool[]>;
  /** The tool with this name, full or short, also one that only its target's search finds; undefined if there is none. */
  resolve(name: string, o: { signal: AbortSignal }): Promise<GatewayTool | undefined>;
  readonly materials?: GatewayMaterials;
  /** Targets and tools that are left out, and why, as last listed. */
  left(): readonly { readonly target: string; readonly reason: string }[];
}

/**
 * One source for the tools of many: tools and agents of your own, MCP servers, other gateways. Each tool of a target is offered as `target___tool`;
 * what it declares holds: effect, key, amount, approval, credentials, cache, `check`, `toModel`. A key without an `intent` is unique under
 * the full name.
 *
 * A target that fails or hangs is left out, with a `RondoWarning` once for each reason, and tried again at the next listing; the others are offered.
 * Targets with `perCaller` are opened for each caller, the others once for all.
 * @throws RondoError `CONFIG_INVALID` for an unknown option, a bad name, or something in a target that is not a tool, an agent or a source.
 */
export function gateway(options: GatewayOptions): Gateway {
  const where = checkGateway(options);
  const { name, reliability = {}, openTimeout = 10_000, policy } = options;
  const door: Door = {
    policy,
    interception: options.interceptors && new Interception(options.interceptors),
    limits: options.rateLimits && new RateLimits(options.rateLimits, options.now),
  };
  const targets = Object.entries(options.targets).map(([target, given]) => {
    const { source, agents } = sourceOf(target, given, where, door);
    checkReliable(`${where}: reliability of "${target}"`, reliability[target], agents);
    const offered = new Offered(target, reliability[target], door);
    return {
      source,
      offered,
      agents,
      shared: source.perCaller ? undefined : new Opening(source),
    };
  });
  const searching = options.search ? { above: 0, ...(options.search === true ? {} : options.search) } : undefined;
  const search = searching && { above: searching.above, ranks: new ToolSearch(searching.embed) };
  const passes = [...new Set(targets.flatMap(({ source }) => source.passes ?? []))];
  const handed = targets.filter(({ source }) => source.secrets);
  return {
    name,
    targets: Object.keys(options.targets),
    agents: targets.flatMap(({ offered, agents }) => agents.map((one) => offered.of(one).tool)),
    ...((hides(door) || targets.some(({ source }) => source.perCaller)) && { perCaller: true }),
    ...(passes.length > 0 && { passes }),
    ...(handed.length > 0 && {
      secrets: {
        *[Symbol.iterator]() {
          for (const { source } of handed) yield* source.secrets ?? [];
        },
      },
    }),
    async open({ signal: _, ...caller }) {
      return new OpenedTargets({
        where,
        search,
        patience: openTimeout,
        offers: hides(door) ? offersOf(door, caller, where) : undefined,
        open: (onChanged) =>
          targets.map(({ source, offered, agents, shared = new Opening(source, caller) }) => ({
            offered,
            agents,
            passes: (source.passes ?? []).length > 0,
            target: new Target(offered.target, shared, { patience: openTimeout, onChanged }),
          })),
      });
    },
  };
}

/**
 * An agent does many things in a call, each with a timeout, retries and a breaker of its own.
 * @throws RondoError `CONFIG_INVALID`.
 */
function checkReliable(about: string, given: Reliability = {}, agents: readonly ToolDefinition[]): void {
  const options = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (options.length === 0 || agents.length === 0) return;
  const names = agents.map(({ name }) => `"${name}"`).join(', ');
  throw invalid(
    `${about}: ${options.join(', ')} cannot hold for a call that an agent answers, here ${names}. Bound an agent by limits, delegate(agent, { limits: { time: 30_000 } }), one of another framework by its own timeout, and its model and tools by its own reliability. If the target has tools too, make the agents a target of their own.`,
  );
}

/** A target as a source, and the tools that agents answer. */
function sourceOf(
  target: string,
  given: TargetTools,
  where: string,
  door: Door,
): { source: ToolSource; agents: readonly ToolDefinition[] } {
  const about = `${where}: the target "${target}"`;
  if (typeof (given as ToolSource | undefined)?.open === 'function') {
    const source = given as ToolSource;
    return { source, agents: (source.agents ?? []).map(definition) };
  }
  if (!Array.isArray(given)) throw invalid(`${about} is a list of tools and agents, or a tool source such as mcpTools().`);
  const tools = new Map<string, ToolDefinition>();
  for (const item of given as readonly unknown[]) {
    if (!isTool(item) && !isAgent(item))
      throw invalid(`${about}: each item must come from tool() or agent(); list a tool source as a target of its own.`);
    const tool = isTool(item) ? item : delegated(item);
    if (tool.delegate?.handoff)
      throw invalid(`${about}: a handoff takes over the conversation of an agent. List it in agents of that agent.`);
    const why = unguarded(door, tool);
    if (why !== undefined) throw invalid(`${about}: "${tool.name}" cannot be here: ${why}.`);
    if (tools.has(tool.name)) throw invalid(`${about} has two tools or agents named "${tool.name}". Rename one.`);
    tools.set(tool.name, tool);
  }
  const all = [...tools.values()];
  const listed = all.filter((tool) => !tool.delegate);
  return {
    source: { name: target, open: async () => ({ list: async () => listed, close: async () => {} }) },
    agents: all.filter((tool) => tool.delegate),
  };
}
