import { invalid, RondoError } from '../../errors.ts';
import { sha256 } from '../../journal/canonical.ts';
import { calling, finding } from '../../loop/tools/finding.ts';
import { definition, RESERVED_NAME } from '../../loop/tools/tool.ts';
import type { AgentDefinition, Caller, Searchable, ToolDefinition } from '../../loop/types.ts';
import type { ChangedList } from '../../ports/materials.ts';
import type { OpenedSource, ToolSource } from '../../ports/tool.ts';
import { inTime } from '../../reliability/patience.ts';
import { newId } from './ids.ts';

/** Milliseconds that a source may take to close. */
const CLOSE_TIMEOUT = 5_000;

/** Unused connections of a per-caller source: milliseconds until one is closed, and how many may stay open. */
const IDLE = { ms: 300_000, most: 100 };

/** An opened source, for all runs or for the runs of one caller. */
interface Connection {
  readonly opening: Promise<OpenedSource>;
  ready?: OpenedSource;
  /** The number of its newest change; undefined if the source does not report changes. */
  revision?: number;
  /** The runs that may use it. Empty for a shared source: it is closed with the engine. */
  readonly users: Set<string>;
  timer?: NodeJS.Timeout;
  close(): Promise<void>;
}

/** The tool sources that an engine has opened, each once or once per caller. They are closed with the engine. */
export class Sources {
  /** By source and caller key, which is '' for a shared source. */
  readonly #opened = new Map<ToolSource, Map<string, Connection>>();
  readonly #closing = new AbortController();
  /** Counts the changes of all sources. */
  #changes = 0;

  /**
   * The tools that an agent may call: its own, and the tools that its sources list for this caller now.
   * @throws RondoError `CONFIG_INVALID` if two have the same name; or the error of a source.
   */
  toolsOf(agent: AgentDefinition, caller: Caller): ReadonlyMap<string, ToolDefinition> | Promise<ReadonlyMap<string, ToolDefinition>> {
    return agent.sources.length === 0 ? agent.tools : this.#gather(agent, caller);
  }

  /** The sources of an agent that are searched, opened for this caller. What a source throws is passed on. */
  async searchable(agent: AgentDefinition, caller: Caller): Promise<readonly Searchable[]> {
    const all = await Promise.all(agent.sources.map(async (source) => ({ name: source.name, opened: await this.#open(source, caller) })));
    return all.filter(({ opened }) => opened.search);
  }

  /**
   * Calls `use` with the searched sources of an agent, opened as for a run of this caller. They may be closed once `use` has ended.
   * @throws RondoError `ENGINE_CLOSED`, or the error of a source.
   */
  async lookIn<T>(agent: AgentDefinition, caller: Omit<Caller, 'runId'>, use: (sources: readonly Searchable[]) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw new RondoError('ENGINE_CLOSED', 'the engine is closed.');
    const runId = newId();
    try {
      return await use(await this.searchable(agent, { ...caller, runId }));
    } finally {
      this.release(runId);
    }
  }

  /** Changes if `toolsOf` would return other tools; undefined if no source of the agent reports changes. */
  revisionOf(agent: AgentDefinition, caller: Caller): number | undefined {
    let newest: number | undefined;
    for (const source of agent.sources) {
      const own = this.#opened.get(source)?.get(keyOf(source, caller))?.revision;
      if (own !== undefined && !(newest !== undefined && own < newest)) newest = own;
    }
    return newest;
  }

  /** Call it when a run is no longer driven here. A connection without other runs is closed later. */
  release(runId: string): void {
    for (const connections of this.#opened.values()) {
      for (const connection of connections.values())
        if (connection.users.delete(runId) && connection.users.size === 0) {
          connection.timer = setTimeout(() => void connection.close(), IDLE.ms);
          connection.timer.unref();
        }
      // least recently used first
      const idle = [...connections.values()].filter(({ timer }) => timer !== undefined);
      for (const connection of idle.slice(0, Math.max(0, idle.length - IDLE.most))) void connection.close();
    }
  }

  async #gather(agent: AgentDefinition, caller: Caller): Promise<ReadonlyMap<string, ToolDefinition>> {
    const all = await Promise.all(
      agent.sources.map((source) =>
        this.#open(source, caller).then(async (opened) => ({ opened, list: await opened.list(), shown: await opened.agents?.() })),
      ),
    );
    const tools = new Map(agent.tools);
    const searched = new Set<string>();
    all.forEach(({ opened, list, shown }, i) => {
      const { name, agents = [] } = agent.sources[i] as ToolSource;
      if (shown) for (const one of agents) if (!shown.includes(one)) tools.set(one.name, hiddenFrom(definition(one)));
      if (opened.search && searched.has(name))
        throw invalid(`agent "${agent.name}" has two sources named "${name}" that are searched. Name one differently.`);
      if (opened.search) searched.add(name);
      for (const item of list) {
        if (RESERVED_NAME.test(item.name) && !definition(item).held)
          throw invalid(
            `the source "${name}" of agent "${agent.name}" offers "${item.name}", a name that is reserved for the engine. Rename or exclude it.`,
          );
        if (tools.has(item.name))
          throw invalid(
            `agent "${agent.name}" has two tools named "${item.name}", one of them from the source "${name}". Rename or exclude one.`,
          );
        tools.set(item.name, definition(item));
      }
    });
    for (const tool of searched.size > 0 ? [finding, calling] : []) {
      if (tools.has(tool.name))
        throw invalid(
          `agent "${agent.name}" has a tool named "${tool.name}", which is the engine's name for what reaches the tools of the source "${[...searched][0]}". Rename it.`,
        );
      tools.set(tool.name, tool);
    }
    return tools;
  }

  #open(source: ToolSource, caller: Caller): Promise<OpenedSource> {
    let connections = this.#opened.get(source);
    if (!connections) {
      connections = new Map();
      this.#opened.set(source, connections);
    }
    const key = keyOf(source, caller);
    let connection = connections.get(key);
    if (connection) connections.delete(key);
    else connection = this.#connect(source, caller, connections, key);
    clearTimeout(connection.timer);
    connection.timer = undefined;
    if (source.perCaller) connection.users.add(caller.runId);
    connections.set(key, connection);
    return connection.opening;
  }

  #connect(source: ToolSource, { by, session, assertion }: Caller, connections: Map<string, Connection>, key: string): Connection {
    const { signal } = this.#closing;
    const own = { ...(by && { by: structuredClone(by) }), ...(session !== undefined && { session }), ...(assertion && { assertion }) };
    let release: (() => void) | undefined;
    const changed = (list?: ChangedList) => {
      if (list === undefined || list === 'tools') connection.revision = ++this.#changes;
    };
    const watched = (ready: OpenedSource): OpenedSource => {
      try {
        if (ready.search && !ready.find)
          throw invalid(`the source "${source.name}" has search() but no find(name), by which a run in another process gets its tool.`);
        if (ready.changed) changed();
        release = ready.changed?.(changed);
      } catch (error) {
        void closeQuietly(ready);
        throw error;
      }
      return ready;
    };
    const connection: Connection = {
      opening: source.open({ signal, ...(source.perCaller && own) }).then(watched),
      users: new Set(),
      async close() {
        clearTimeout(connection.timer);
        if (connections.get(key) === connection) connections.delete(key);
        if (connection.ready) await closeQuietly(connection.ready, release);
      },
    };
    connection.opening.then(
      (ready) => {
        if (signal.aborted || connections.get(key) !== connection) return void closeQuietly(ready, release);
        connection.ready = ready;
      },
      // after a failure the next run opens the source again
      () => connections.get(key) === connection && connections.delete(key),
    );
    return connection;
  }

  /** Closes all connections. Those that are still being opened are aborted and not awaited. */
  async close(): Promise<void> {
    this.#closing.abort();
    const all = [...this.#opened.values()].flatMap((connections) => [...connections.values()]);
    await Promise.all(all.map((connection) => connection.close()));
  }
}

/** An agent of a source that is not offered to the caller: a call that is open goes on with it. The same object each time. */
function hiddenFrom(tool: ToolDefinition): ToolDefinition {
  const made = hidden.get(tool) ?? { ...tool, hidden: true };
  hidden.set(tool, made);
  return made;
}

const hidden = new WeakMap<ToolDefinition, ToolDefinition>();

/** Identifies a caller. It includes roles and claims, by which what is offered may differ, and the token: an approver who resumes a run, or a caller without a principal, gets a connection of their own. */
function keyOf({ perCaller }: ToolSource, { by, session, assertion }: Caller): string {
  if (!perCaller) return '';
  const token = assertion && sha256(JSON.stringify([assertion.type, assertion.token]));
  const { tenant, id, roles, claims } = by ?? {};
  return JSON.stringify([tenant ?? null, id ?? null, roles ?? null, claims ?? null, session ?? null, token ?? null]);
}

/** Closes a source in at most 5 seconds, whatever it throws. */
export async function closeQuietly(opened: OpenedSource, release?: () => void): Promise<void> {
  try {
    release?.();
  } catch {
    // ignored: the source is closed anyway
  }
  try {
    await inTime(opened.close(), CLOSE_TIMEOUT, 'the tool source');
  } catch {
    // ignored: the engine does not use the source any more
  }
}
