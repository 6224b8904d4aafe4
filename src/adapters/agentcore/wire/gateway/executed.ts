/** Gateways as they are executed: by `gateway()`, each call a run of an engine. */
import { Engine } from '../../../../engine/engine.ts';
import { definition, renamedTool } from '../../../../loop/tools/tool.ts';
import type { Policy } from '../../../../ports/policy.ts';
import type { Principal } from '../../../../ports/principal.ts';
import type { OpenedSource, Tool, ToolSource } from '../../../../ports/tool.ts';
import type { Handler } from '../../../../server/listen.ts';
import type { OpenedGateway } from '../../../gateway/gateway.ts';
import { gateway as gatewayOf } from '../../../gateway/index.ts';
import { gatewayHandler } from '../../../mcp/index.ts';
import type { DescribedTool } from '../../../policy/tools.ts';
import { Ranking } from '../../../ranking/tools.ts';
import { rawMaterials } from './raw-materials.ts';
import { type Gateway, isServing, partsOf, TARGET, type Target } from './resources.ts';
import { targetSource } from './target-source.ts';
import type { TargetWorld } from './target-world.ts';

/** The path under which the handler is asked. */
export const HANDLED = '/mcp';

export interface Executed {
  /** The handler for one request; `leave` is called when its answer is over. */
  enter(): { handle: Handler; leave(): void };
  /** Whether its targets may have resources and prompts. */
  readonly passes: boolean;
  /** All its tools now, for the schema of policies. */
  tools(): Promise<readonly DescribedTool[]>;
  /** Closes it when the last answer is over: another has taken its place. */
  retire(): Promise<void>;
  close(): Promise<void>;
}

export interface ExecutedOptions extends TargetWorld {
  /** What decides about calls, and about what is listed; undefined for a gateway without a policy engine. */
  policyOf(gateway: Gateway): Policy | undefined;
  /** Who the caller of a request is, as the gateway has let them in. */
  callerOf(): Principal | undefined;
  /** Told of targets that are left out. */
  tell(error: unknown): void;
}

const DEFAULT_PAGE = 100;
/** Milliseconds for a list of all tools. */
const LISTS = 30_000;

export function executedGateway(o: ExecutedOptions, gateway: Gateway): Executed {
  const { world } = o;
  const { mcp = {} } = gateway.settings.protocolConfiguration ?? {};
  const targets = partsOf<Target>(world, TARGET, gateway.id).filter(
    (target) => target.settings.targetConfiguration.mcp && isServing(world, target),
  );
  const ofGateway = { debug: gateway.settings.exceptionLevel === 'DEBUG' };
  const policy = o.policyOf(gateway);
  const engine = new Engine({ identity: o.identity, ...(policy && { policy: governing(policy) }) });
  const source =
    targets.length === 0
      ? NOTHING
      : byFullName(
          gatewayOf({
            name: gateway.id,
            targets: Object.fromEntries(targets.map((target) => [target.name, targetSource(o, target, ofGateway)])),
          }),
          {
            searched: mcp.searchType === 'SEMANTIC',
            shown: shownBy(policy, o.callerOf),
            priorities: new Map(targets.map(({ name, settings }) => [name, settings.targetConfiguration.mcp?.mcpServer?.resourcePriority])),
          },
        );
  const handle = gatewayHandler(engine, source, {
    path: HANDLED,
    agent: 'gateway',
    decide: false,
    changes: false,
    // Identity knows who has consented
    consents: 'elicited',
    pageSize: mcp.disableMcpListToolsPagination ? false : DEFAULT_PAGE,
    auth: async () => o.callerOf(),
    info: { name: gateway.name, version: '1.0.0' },
  });
  async function tools(): Promise<readonly DescribedTool[]> {
    const opened = await source.open({ signal: AbortSignal.timeout(LISTS) });
    try {
      const all = opened.all ? await opened.all() : [];
      return all.map((tool) => ({ name: tool.name, input: definition(tool).spec.input }));
    } finally {
      await opened.close();
    }
  }
  let open = 0;
  let retired: (() => void) | undefined;
  const close = () => engine.close();
  return {
    enter() {
      open++;
      return {
        handle,
        leave() {
          open--;
          if (open === 0) retired?.();
        },
      };
    },
    async retire() {
      if (open > 0)
        await new Promise<void>((resolve) => {
          retired = resolve;
        });
      await close();
    },
    passes: (source.passes ?? []).length > 0,
    tools,
    close,
  };
}

/** The tools that read resources and prompts, which the policies of AgentCore do not govern. No call of a tool can have such a name. */
const READS = /___(resources\/read|prompts\/get)$/;
const governing = (policy: Policy): Policy => ({
  ...policy,
  decide: (call) => (READS.test(call.tool) ? { allow: true } : policy.decide(call)),
});

/** A source whose tools are under their full names. */
interface FullNamed extends ToolSource {
  open(o: Parameters<ToolSource['open']>[0]): Promise<OpenedSource & { all?(): Promise<readonly Tool[]> }>;
}

const NOTHING: FullNamed = { name: 'gateway', open: async () => ({ list: async () => [], close: async () => undefined }) };

type Shown = (tools: readonly Tool[]) => Promise<readonly Tool[]>;

/** The tools that some call of the caller could be permitted. */
function shownBy(policy: Policy | undefined, callerOf: () => Principal | undefined): Shown {
  if (!policy?.offers) return async (tools) => tools;
  return async (tools) => {
    const names = new Set(await policy.offers?.({ by: callerOf(), tools: tools.map(({ name }) => name) }));
    return tools.filter(({ name }) => names.has(name));
  };
}

/** The tools of a gateway under their full names, which AgentCore does not shorten, and all of them listed. */
function byFullName(
  inner: ReturnType<typeof gatewayOf>,
  { searched, shown, priorities }: { searched: boolean; shown: Shown; priorities: ReadonlyMap<string, number | undefined> },
): FullNamed {
  const { agents: _, ...source } = inner;
  const made = new WeakMap<Tool, Tool>();
  const named = (tool: Tool, fullName: string): Tool => {
    const known = made.get(tool) ?? renamedTool(definition(tool), fullName, { full: fullName });
    made.set(tool, known);
    return known;
  };
  return {
    ...source,
    async open(caller) {
      const opened: OpenedGateway = await inner.open(caller);
      const all = async () => (await opened.all()).map(({ tool, fullName }) => named(tool, fullName));
      let ranked: { tools: readonly Tool[]; ranking: Ranking } | undefined;
      const search: OpenedSource['search'] = async (query, { limit }) => {
        const tools = await all();
        if (ranked?.tools.length !== tools.length || !tools.every((tool, i) => tool === ranked?.tools[i]))
          ranked = { tools, ranking: new Ranking(tools) };
        return (await shown(ranked.ranking.best(query, tools.length))).slice(0, limit);
      };
      return {
        all,
        ...(opened.materials && {
          materials: rawMaterials(opened.materials, priorities, ({ tool, fullName }) => named(tool, fullName)),
        }),
        list: async () => shown(await all()),
        async find(name, o) {
          const found = await opened.resolve(name, o);
          return found && found.fullName === name ? named(found.tool, found.fullName) : undefined;
        },
        ...(searched && { search }),
        ...(opened.changed && { changed: opened.changed.bind(opened) }),
        close: () => opened.close(),
      };
    },
  };
}
