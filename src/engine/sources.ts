import { RondoError } from '../errors.ts';
import { definition, RESERVED_NAME } from '../loop/tool.ts';
import type { AgentDefinition, ToolDefinition } from '../loop/types.ts';
import type { OpenedSource, ToolSource } from '../ports/tool.ts';
import { inTime } from '../reliability/patience.ts';

/** Milliseconds a source may take to close. */
const CLOSE_TIMEOUT = 5_000;

/** The tool sources an engine has opened: each once, shared by its runs, closed with it. */
export class Sources {
  readonly #opened = new Map<ToolSource, Promise<OpenedSource>>();
  readonly #ready = new Map<ToolSource, OpenedSource>();
  readonly #closing = new AbortController();

  /**
   * What an agent may call: its declared tools, and those its sources list now.
   * @throws RondoError `CONFIG_INVALID` where two have one name. What a source throws is passed on.
   */
  toolsOf(agent: AgentDefinition): ReadonlyMap<string, ToolDefinition> | Promise<ReadonlyMap<string, ToolDefinition>> {
    return agent.sources.length === 0 ? agent.tools : this.#gather(agent);
  }

  /** Changes where `toolsOf` would answer something else; undefined where no source of the agent tells. */
  revisionOf(agent: AgentDefinition): string | undefined {
    let all: string | undefined;
    for (const source of agent.sources) {
      const own = this.#ready.get(source)?.revision?.();
      if (own !== undefined) all = `${all ?? ''} ${own}`;
    }
    return all;
  }

  async #gather(agent: AgentDefinition): Promise<ReadonlyMap<string, ToolDefinition>> {
    const lists = await Promise.all(agent.sources.map(async (source) => (await this.#open(source)).list()));
    const tools = new Map(agent.tools);
    lists.forEach((list, i) => {
      for (const item of list) {
        if (RESERVED_NAME.test(item.name) && !definition(item).held)
          throw new RondoError(
            'CONFIG_INVALID',
            `the source "${agent.sources[i]?.name}" of agent "${agent.name}" offers "${item.name}", a name that is reserved for the engine. Rename or exclude it.`,
          );
        if (tools.has(item.name))
          throw new RondoError(
            'CONFIG_INVALID',
            `agent "${agent.name}" has two tools named "${item.name}", one of them from the source "${agent.sources[i]?.name}". Rename or exclude one.`,
          );
        tools.set(item.name, definition(item));
      }
    });
    return tools;
  }

  #open(source: ToolSource): Promise<OpenedSource> {
    let opened = this.#opened.get(source);
    if (!opened) {
      opened = source.open({ signal: this.#closing.signal });
      this.#opened.set(source, opened);
      // a source that could not be opened is tried again by the next run
      opened.then(
        (ready) => (this.#closing.signal.aborted ? void closeQuietly(ready) : this.#ready.set(source, ready)),
        () => this.#opened.delete(source),
      );
    }
    return opened;
  }

  /** One that is still being opened is told to stop, and not waited for. */
  async close(): Promise<void> {
    this.#closing.abort();
    const ready = [...this.#ready.values()];
    this.#ready.clear();
    await Promise.all(ready.map(closeQuietly));
  }
}

async function closeQuietly(opened: OpenedSource): Promise<void> {
  try {
    await inTime(opened.close(), CLOSE_TIMEOUT, 'the tool source');
  } catch {
    // it is left behind; the engine has nothing more to do with it
  }
}
