/** What a server offers that needs a person's consent first: one tool, which asks for it. */
import { validNames } from '../../loop/tools/foreign-tools.ts';
import { definition, tool } from '../../loop/tools/tool.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import type { Connection } from './connection.ts';

/**
 * The tool that stands for all tools of a server, as long as it does not list them. Afterwards it is there for the call that asked, and the model does
 * not see it.
 */
export function signIn(name: string, prefix: string, connection: Connection, connected: () => void): { shown: Tool; hidden: Tool } {
  const wanted = `connect_${name}`;
  const shown = tool({
    name: validNames([wanted], prefix).get(wanted) ?? wanted,
    description: `Connects to "${name}", which offers more tools. The user is asked for their consent, if it is needed. Call it when the task needs "${name}"; its tools are there afterwards.`,
    input: { type: 'object', properties: {}, additionalProperties: false },
    effect: 'read',
    breaker: false,
    async execute(_, ctx) {
      await connection.list(ctx as ToolContext);
      connected();
      return `Connected to "${name}". You have its tools from now on.`;
    },
  });
  return { shown, hidden: { ...definition(shown), hidden: true } as Tool };
}
