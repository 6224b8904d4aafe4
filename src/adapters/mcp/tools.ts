import { invalid, RondoError } from '../../errors.ts';
import { isDeep, type Json, type JsonObject } from '../../json.ts';
import { foreignSchema } from '../../json-schema.ts';
import { briefly, givenOptions, own, validNames } from '../../loop/tools/foreign-tools.ts';
import { heldTool, RESERVED_NAME, tool } from '../../loop/tools/tool.ts';
import type { Effect, Tool } from '../../ports/tool.ts';
import type { Schema } from '../../schema.ts';
import type { Connection } from './connection.ts';
import type { Declared } from './dialect.ts';
import { cut, toolError } from './failure.ts';
import { DECIDES } from './names.ts';
import type { McpOptions } from './options.ts';
import type { Pins } from './pins.ts';
import { output, toParts } from './result.ts';

/** The limits of what goes into every prompt. */
const MOST = { tools: 500, chars: 1_000_000 };
/** The limits of what is searched: all of it is in memory, and ranked. */
const MOST_SEARCHED = { tools: 5_000, chars: 4_000_000 };

interface Made {
  /** The server's whole tool list. */
  key: string;
  tool: Tool;
}

/** The tools of one server as Rondo tools. The server's declarations are used only as text for the model. */
export class Offer {
  readonly #options: McpOptions;
  readonly #server: string;
  readonly #connection: Connection;
  /** As last listed: an unchanged tool stays the same object, which identifies its circuit. */
  #known = new Map<string, Made>();
  #warned = '';

  readonly #pins: Pins;

  constructor(options: McpOptions, server: string, connection: Connection, pins: Pins) {
    this.#pins = pins;
    this.#options = options;
    this.#server = server;
    this.#connection = connection;
  }

  /**
   * @param o.missing why the list is not complete.
   * @param o.searched the tools are not in every prompt.
   * @param o.strict a tool that `allow` names must not be left out.
   * @throws RondoError `CONFIG_INVALID` if it would be.
   */
  async take(described: readonly Declared[], o: { strict: boolean; searched: boolean; missing: string | undefined }): Promise<Tool[]> {
    const most = o.searched ? MOST_SEARCHED : MOST;
    const { allow, prefix = '' } = this.#options;
    const offered = new Map<string, Declared>();
    for (const d of described)
      if (!offered.has(d.name) && (allow ? allow.includes(d.name) : d._meta?.[DECIDES] !== true)) offered.set(d.name, d);
    const left: string[] = o.missing === undefined ? [] : [o.missing];
    const known = new Map<string, Made>();
    const tools: Tool[] = [];
    let chars = most.chars;
    for (const [original, name] of validNames([...offered.keys()].slice(0, most.tools), prefix)) {
      try {
        if (chars < 0) throw invalid(`its tools are described in more than ${most.chars} characters`);
        if (RESERVED_NAME.test(name)) throw invalid('its name is reserved for the engine: give it another with prefix');
        const now = offered.get(original) as Declared;
        if (now.odd !== undefined) throw invalid(now.odd);
        if (now.execution?.taskSupport === 'required') throw invalid('it runs as a task only, and tasks are not used');
        const made = this.#made(now, name);
        chars -= made.key.length;
        if (!(await this.#pins.allows(now))) {
          tools.push(heldTool(name, `MCP server "${this.#server}" has changed what it says of "${name}" since it was pinned`));
          left.push(
            `${cut(JSON.stringify(original), 80)}: it has changed since it was pinned, and is held back until the change is accepted`,
          );
          continue;
        }
        known.set(original, made);
        tools.push(made.tool);
      } catch (error) {
        if (!RondoError.is(error)) throw error;
        // JSON escapes characters that a terminal would act on
        const why = `${cut(JSON.stringify(original), 80)}: ${cut(error.message, 300)}`;
        if (o.strict && allow) throw invalid(`MCP server "${this.#server}" has a tool that cannot be offered, ${why}`);
        left.push(why);
      }
    }
    if (offered.size > most.tools) left.push(`all after the first ${most.tools}: name those you need in allow`);
    this.#known = known;
    this.#warn(left);
    await this.#pins.save();
    return tools;
  }

  /** Warns about tools that were left out, once per list of them. */
  #warn(left: readonly string[]): void {
    const more = left.length > 5 ? `; and ${left.length - 5} more` : '';
    const text = left.length > 0 ? `MCP server "${this.#server}": tools are left out. ${left.slice(0, 5).join('; ')}${more}` : '';
    if (text !== '' && text !== this.#warned) process.emitWarning(text, 'RondoWarning');
    this.#warned = text;
  }

  #made(d: Declared, name: string): Made {
    const description = briefly(d.description ?? d.title ?? '');
    const effect = effectOf(d, this.#options);
    // measured before it is serialised
    const input = foreignSchema(d.inputSchema, 'its input schema');
    if (isDeep([d.outputSchema, d.annotations] as Json)) throw invalid('its description is nested too deeply');
    const key = JSON.stringify([name, description, effect, d.inputSchema]);
    const before = this.#known.get(d.name);
    return before?.key === key ? before : { key, tool: this.#tool(d.name, { name, description, effect, input }) };
  }

  #tool(original: string, described: { name: string; description: string; effect: Effect; input: Schema<JsonObject> }): Tool {
    const o = this.#options;
    const { effect } = described;
    const trusted = o.trustAnnotations === true;
    return tool({
      ...described,
      ...givenOptions(o, original),
      execute: async (input, ctx) => {
        const result = await this.#connection.call(original, input as JsonObject, ctx, effect);
        if (result.isError) throw toolError(result, { trusted, effect });
        return output(result);
      },
      toModel: toParts,
    });
  }
}

function effectOf({ name, annotations }: Declared, o: McpOptions): Effect {
  const declared = own(o.effects ?? {}, name);
  if (declared || !o.trustAnnotations) return declared ?? 'once';
  return annotations?.readOnlyHint ? 'read' : annotations?.idempotentHint ? 'idempotent' : 'once';
}
