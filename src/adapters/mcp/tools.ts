import type { Tool as ToolDescription } from '@modelcontextprotocol/sdk/types.js';
import { sha256 } from '../../journal/canonical.ts';
import { tool } from '../../loop/tool.ts';
import type { Effect, Tool } from '../../ports/tool.ts';
import { type JsonObject, type JsonSchema, jsonSchema } from '../../schema.ts';
import type { Connection } from './connection.ts';
import { toolError } from './failure.ts';
import type { McpOptions } from './index.ts';
import { output, toParts } from './result.ts';

/** The tools of a server as ours. What it says about itself is used as text for the model, and for nothing else. */
export function toTools(described: readonly ToolDescription[], o: McpOptions, connection: Connection): Tool[] {
  const offered = described.filter(({ name }) => !o.allow || o.allow.includes(name));
  const names = validNames(
    offered.map(({ name }) => name),
    o.prefix ?? '',
  );
  return [...names].map(([original, name]) => {
    const d = offered.find((t) => t.name === original) as ToolDescription;
    const approval = typeof o.approval === 'object' ? own(o.approval, original) : o.approval;
    return tool({
      name,
      description: d.description ?? d.title ?? '',
      input: jsonSchema<JsonObject>(d.inputSchema as JsonSchema),
      effect: effectOf(d, o),
      ...(approval !== undefined && { approval }),
      ...(o.timeout !== undefined && { timeout: o.timeout }),
      ...(o.deadline !== undefined && { deadline: o.deadline }),
      ...(o.retry && { retry: o.retry }),
      ...(o.breaker !== undefined && { breaker: o.breaker }),
      ...(o.maxBytes !== undefined && { maxBytes: o.maxBytes }),
      execute: async (input, ctx) => {
        const result = await connection.call(original, input, ctx);
        if (result.isError) throw toolError(result);
        return output(result);
      },
      toModel: toParts,
    });
  });
}

function effectOf({ name, annotations }: ToolDescription, o: McpOptions): Effect {
  const declared = own(o.effects ?? {}, name);
  if (declared || !o.trustAnnotations) return declared ?? 'once';
  return annotations?.readOnlyHint ? 'read' : annotations?.idempotentHint ? 'idempotent' : 'once';
}

/**
 * Original names to such as models take. A name that is fine keeps itself; of others that collide, each gets a part
 * of its hash, so that the result does not depend on the order of the list.
 */
export function validNames(originals: readonly string[], prefix: string): Map<string, string> {
  const fine = (name: string) => /^[a-zA-Z0-9_-]+$/.test(name) && prefix.length + name.length <= 64;
  const names = new Map(originals.filter(fine).map((name) => [name, prefix + name]));
  const taken = new Set(names.values());
  const rest = [...new Set(originals.filter((name) => !fine(name)))];
  const plain = (name: string) => prefix + (name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 64 - prefix.length) || 'tool');
  const wanted = rest.map(plain);
  for (const [i, name] of rest.entries()) {
    const want = wanted[i] as string;
    const alone = !taken.has(want) && wanted.filter((other) => other === want).length === 1;
    names.set(name, alone ? want : `${want.slice(0, 55)}_${sha256(name).slice(0, 8)}`);
  }
  return names;
}

const own = <T>(record: { readonly [k: string]: T }, key: string): T | undefined => (Object.hasOwn(record, key) ? record[key] : undefined);
