import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Tool as ToolDescription } from '@modelcontextprotocol/sdk/types.js';
import { invalid } from '../../errors.ts';
import { inTurn, lazy } from '../../flight.ts';
import { digest } from '../../journal/canonical.ts';
import type { Json } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { inTime } from '../../reliability/patience.ts';
import { cut } from './failure.ts';
import type { ToolChange } from './options.ts';

export interface PinOptions {
  /** A file that is created and updated, or hashes by the server's names for its tools. */
  pins?: string | Readonly<Record<string, string>>;
  acceptChange?: (change: ToolChange) => boolean | Promise<boolean>;
}

/** Milliseconds for `acceptChange`. */
const ACCEPT_TIMEOUT = 10_000;
/** Different tools of one server that are pinned. A server may show others at each listing. */
const MOST = 20_000;
/** The saves of each file in this process: one reads, changes and replaces the whole file. */
const saving = inTurn<string>();

type Names = { [tool: string]: string };

/**
 * The declaration of each tool when it was first seen: name, title, description, schemas and annotations. In memory for the life of the
 * process, and in a file if one is given.
 */
export class Pins {
  readonly #server: string;
  readonly #file: string | undefined;
  readonly #accept: PinOptions['acceptChange'];
  readonly #pinned = new Map<string, string>();
  readonly #held = new Map<string, ToolChange>();
  #unsaved = false;
  /** Called after a manual accept. */
  readonly listeners = new Set<() => void>();

  constructor(server: string, { pins, acceptChange }: PinOptions) {
    this.#server = server;
    this.#accept = acceptChange;
    this.#file = typeof pins === 'string' ? pins : undefined;
    if (typeof pins === 'object') for (const [tool, hash] of Object.entries(pins)) this.#pinned.set(tool, hash);
  }

  held(): readonly ToolChange[] {
    return [...this.#held.values()];
  }

  /** @throws RondoError `CONFIG_INVALID` if no such tool is held back, or the file cannot be written. */
  async accept(tool: string): Promise<void> {
    const change = this.#held.get(tool);
    if (!change) {
      const all = [...this.#held.keys()].join(', ');
      throw invalid(`MCP server "${this.#server}": no tool "${tool}" is held back. ${all ? `Held back: ${cut(all, 500)}.` : 'None is.'}`);
    }
    this.#pin(tool, change.now);
    await this.save();
    for (const listener of this.listeners) listener();
  }

  /**
   * Reads the file, once.
   * @throws RondoError `CONFIG_INVALID` if it cannot be read.
   */
  readonly load = lazy(() => this.#load());

  /**
   * Whether a tool may be offered with its current declaration. A tool that is seen for the first time is pinned.
   * @throws RondoError `CONFIG_INVALID` for a new tool of a server that has shown too many.
   */
  async allows(d: ToolDescription): Promise<boolean> {
    const { name, title, description, inputSchema, outputSchema, annotations } = d;
    const now = digest({ name, title, description, inputSchema, outputSchema, annotations } as unknown as Json).slice(0, 32);
    const pinned = this.#pinned.get(name);
    if (pinned === undefined || pinned === now) {
      if (pinned === undefined) {
        if (this.#pinned.size >= MOST) throw invalid(`the server has shown more than ${MOST} tools of different names`);
        this.#pin(name, now);
      }
      this.#held.delete(name);
      return true;
    }
    const change: ToolChange = {
      server: this.#server,
      tool: name,
      pinned,
      now,
      description: description ?? '',
      input: inputSchema,
      annotations,
    };
    // asked once for each change
    if (this.#held.get(name)?.now !== now && (await this.#accepted(change))) {
      this.#pin(name, now);
      return true;
    }
    this.#held.set(name, change);
    return false;
  }

  /** Writes new pins to the file. It keeps other servers' pins, and those that another process wrote. */
  async save(): Promise<void> {
    if (!this.#unsaved || this.#file === undefined) return;
    this.#unsaved = false;
    try {
      await saving(resolve(this.#file), () => this.#write());
    } catch (error) {
      this.#unsaved = true;
      throw error;
    }
  }

  async #write(): Promise<void> {
    const all = await this.#inFile();
    all[this.#server] = { ...all[this.#server], ...Object.fromEntries([...this.#pinned].toSorted(([a], [b]) => (a < b ? -1 : 1))) };
    const draft = `${this.#file}.${randomUUID()}.tmp`;
    try {
      await writeFile(draft, `${JSON.stringify(all, null, 2)}\n`);
      await rename(draft, this.#file as string);
    } catch (cause) {
      throw invalid(`mcpTools(): the pins cannot be written to "${this.#file}" (${(cause as { code?: string }).code}).`);
    }
  }

  #pin(tool: string, hash: string): void {
    this.#pinned.set(tool, hash);
    this.#held.delete(tool);
    this.#unsaved = true;
  }

  /** A callback that fails or is too slow does not accept. */
  async #accepted(change: ToolChange): Promise<boolean> {
    if (!this.#accept) return false;
    try {
      return (await inTime(Promise.resolve(this.#accept(change)), ACCEPT_TIMEOUT, 'acceptChange')) === true;
    } catch {
      return false;
    }
  }

  async #load(): Promise<void> {
    const all = await this.#inFile();
    for (const [tool, hash] of Object.entries(all[this.#server] ?? {})) this.#pinned.set(tool, hash);
  }

  async #inFile(): Promise<{ [server: string]: Names }> {
    if (this.#file === undefined) return {};
    let text: string;
    try {
      text = await readFile(this.#file, 'utf8');
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === 'ENOENT') return {};
      throw invalid(`mcpTools(): the pins in "${this.#file}" cannot be read (${code}).`);
    }
    try {
      const all = JSON.parse(text);
      const fits =
        isObject(all) && Object.values(all).every((tools) => isObject(tools) && Object.values(tools).every((h) => typeof h === 'string'));
      if (fits) return all as { [server: string]: Names };
    } catch {}
    throw invalid(
      `mcpTools(): "${this.#file}" holds no pins: { "server": { "tool": "hash" } }. Mend it, or remove it to pin the tools again.`,
    );
  }
}
