import { RondoError } from '../errors.ts';
import type { EntryOf } from '../journal/entries.ts';
import type { AgentDefinition } from '../loop/definition.ts';
import { definition, type ToolDefinition } from '../loop/tool.ts';
import type { ToolSource } from '../ports/tool.ts';
import { inTime } from '../reliability/patience.ts';

/** Milliseconds a source may take to close. */
const CLOSE_TIMEOUT = 5_000;

type Opened = Awaited<ReturnType<ToolSource['open']>>;

/** The tool sources an engine has opened: each once, shared by its runs, closed with it. */
export class Sources {
  readonly #opened = new Map<ToolSource, Promise<Opened>>();
  readonly #ready = new Set<Opened>();
  readonly #closing = new AbortController();

  /**
   * What an agent may call: its declared tools, and those its sources list now.
   * @throws RondoError `CONFIG_INVALID` where two have one name. What a source throws is passed on.
   */
  toolsOf(agent: AgentDefinition): ReadonlyMap<string, ToolDefinition> | Promise<ReadonlyMap<string, ToolDefinition>> {
    return agent.sources.length === 0 ? agent.tools : this.#gather(agent);
  }

  async #gather(agent: AgentDefinition): Promise<ReadonlyMap<string, ToolDefinition>> {
    const lists = await Promise.all(agent.sources.map(async (source) => (await this.#open(source)).list()));
    const tools = new Map(agent.tools);
    lists.forEach((list, i) => {
      for (const item of list) {
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

  #open(source: ToolSource): Promise<Opened> {
    let opened = this.#opened.get(source);
    if (!opened) {
      opened = source.open({ signal: this.#closing.signal });
      this.#opened.set(source, opened);
      // a source that could not be opened is tried again by the next run
      opened.then(
        (ready) => (this.#closing.signal.aborted ? void closeQuietly(ready) : this.#ready.add(ready)),
        () => this.#opened.delete(source),
      );
    }
    return opened;
  }

  /** One that is still being opened is told to stop, and not waited for. */
  async close(): Promise<void> {
    this.#closing.abort();
    const ready = [...this.#ready];
    this.#ready.clear();
    await Promise.all(ready.map(closeQuietly));
  }
}

async function closeQuietly(opened: Opened): Promise<void> {
  try {
    await inTime(opened.close(), CLOSE_TIMEOUT, 'the tool source');
  } catch {
    // it is left behind; the engine has nothing more to do with it
  }
}

/** The tools of sources, as the journal pins them; undefined for an agent without sources. */
export function pinned(agent: AgentDefinition, tools: ReadonlyMap<string, ToolDefinition>): EntryOf<'context.changed'>['tools'] {
  if (agent.sources.length === 0) return undefined;
  return [...tools.values()].filter((t) => !agent.tools.has(t.name)).map(({ name, hash }) => ({ name, hash }));
}
