import { invalid } from '../errors.ts';
import type { Limits } from '../journal/entries/entries.ts';
import type { Json } from '../json.ts';
import type { Model } from '../ports/model.ts';
import type { ToolSource } from '../ports/tool.ts';
import { agent } from './agent.ts';
import { agentDefinition } from './definition.ts';
import type { Agent } from './types.ts';

/** The one call of a run of a direct agent. */
export interface DirectCall {
  /** The name of a tool that the source lists or finds. */
  name: string;
  /** The arguments, which the schema of the tool parses. */
  input: Json;
}

/**
 * An agent without a model: its input is one call, made by `directInput()`, which it makes and then ends. So what holds for the call of a model holds for
 * the call of a program: journal, policy, approvals, intents, retries, circuit, credentials, limits. It may call every tool that its
 * source lists or finds, without a search before.
 */
export function directAgent(o: { name: string; description?: string; source: ToolSource; limits?: Limits }): Agent<string, string> {
  const { name, description, source, limits } = o;
  const made = agent({
    name,
    ...(description !== undefined && { description }),
    instructions: '',
    model: REPEATS_ITS_INPUT,
    tools: [source],
    memory: false,
    compact: [],
    ...(limits && { limits }),
  });
  return { ...agentDefinition(made), direct: true } as unknown as Agent<string, string>;
}

/** The input of a run that makes this call. */
export const directInput = ({ name, input }: DirectCall): string => JSON.stringify({ name, input });

const REPEATS_ITS_INPUT: Model = {
  provider: 'standin',
  id: 'direct-call',
  standin: true,
  async generate({ messages }) {
    const usage = { input: 0, output: 0 };
    const last = messages.at(-1);
    if (last?.role !== 'user') return { content: [{ type: 'text', text: 'done' }], stop: 'end', usage };
    const { name, input } = callIn(last.content.map((part) => (part.type === 'text' ? part.text : '')).join(''));
    return { content: [{ type: 'toolCall', id: 'call', name, input }], stop: 'tools', usage };
  },
};

/** A policy may have replaced the input. */
function callIn(text: string): DirectCall {
  let call: Partial<DirectCall> | undefined;
  try {
    call = JSON.parse(text) as Partial<DirectCall>;
  } catch {
    // refused below
  }
  if (typeof call?.name !== 'string' || call.input === undefined)
    throw invalid('the input of a direct call is not { name, input } any more.');
  return { name: call.name, input: call.input };
}
