import { definition, isTool, renamedTool } from '../../loop/tools/tool.ts';
import type { Reliability, ToolDefinition } from '../../loop/types.ts';
import type { Tool } from '../../ports/tool.ts';
import { bounded } from '../../reliability/classify.ts';
import { behindDoor, type Door, guards, passageOf } from './door.ts';
import { fullName, shortName } from './names.ts';

/** A tool as a gateway offers it. */
export interface GatewayTool {
  /** As it is offered: `tool.name` is the full name, or its short form where it is over 64 characters. */
  readonly tool: Tool;
  readonly target: string;
  /** Its name in the target. */
  readonly name: string;
  /** `target___tool`, of any length. */
  readonly fullName: string;
}

/** The search tool of an AgentCore gateway: a gateway searches the tools themselves. */
const AWS_SEARCH = /(^|___)x_amz_bedrock_agentcore_search$/;

/** Makes the tools of one target those of the gateway: an unchanged tool stays the same object, which identifies its circuit breaker. */
export class Offered {
  readonly target: string;
  readonly #reliability: Reliability;
  readonly #door: Door;
  readonly #made = new WeakMap<ToolDefinition, GatewayTool>();
  readonly #byTool = new WeakMap<Tool, GatewayTool>();

  constructor(target: string, reliability: Reliability = {}, door: Door = {}) {
    this.#door = door;
    this.target = target;
    this.#reliability = reliability;
  }

  /** What is known of a tool that it made. */
  made(tool: Tool): GatewayTool | undefined {
    return this.#byTool.get(tool);
  }

  of(tool: ToolDefinition): GatewayTool {
    let made = this.#made.get(tool);
    if (!made) {
      const full = fullName(this.target, tool.name);
      const behind = { target: this.target, name: tool.name, fullName: full, tool };
      const changed = { ...this.#reliability, ...within(this.#reliability, tool), ...behindDoor(this.#door, behind) };
      const door = { policy: this.#door.policy, passage: tool.delegate && passageOf(this.#door, behind) };
      made = {
        tool: renamedTool(tool, shortName(full), { full, changed, door }),
        target: this.target,
        name: tool.name,
        fullName: full,
      };
      this.#made.set(tool, made);
      this.#byTool.set(made.tool, made);
    }
    return made;
  }

  /** The tools of a list that can be offered. `left` gets the reason for each that cannot. */
  all(items: readonly unknown[], left: string[]): GatewayTool[] {
    return items.flatMap((item) => {
      const tool = this.one(item, left);
      return tool ? [tool] : [];
    });
  }

  one(item: unknown, left: string[]): GatewayTool | undefined {
    if (isTool(item) && AWS_SEARCH.test(item.name)) return undefined;
    const why = !isTool(item)
      ? 'it was not made by tool()'
      : item.delegate || item.finding
        ? 'it stands for an agent'
        : unguarded(this.#door, item);
    if (why === undefined) return this.of(definition(item as Tool));
    const { name } = (item ?? {}) as { name?: unknown };
    left.push(`${typeof name === 'string' ? JSON.stringify(bounded(name)) : 'an item'}: ${why}`);
    return undefined;
  }
}

/** Options that the tool declares, in place of those of the target. */
function within(reliability: Reliability, { options }: ToolDefinition): Reliability {
  const own: Reliability = {};
  if (options.timeout !== undefined) own.timeout = options.timeout;
  if (options.deadline !== undefined) own.deadline = options.deadline;
  if (options.retry) own.retry = { ...reliability.retry, ...options.retry };
  if (options.breaker !== undefined)
    own.breaker = options.breaker && reliability.breaker ? { ...reliability.breaker, ...options.breaker } : options.breaker;
  return own;
}

/** Why a tool cannot be behind a door: what has no body is not called, so that nothing could stand before it. */
export function unguarded(door: Door, { ask, waits }: ToolDefinition): string | undefined {
  if (!guards(door) || !(ask || waits)) return undefined;
  return `${ask ? 'a person answers it' : 'its calls wait for something'}, so that no interceptor or rate limit could hold for it. List it among the agent's own tools`;
}
