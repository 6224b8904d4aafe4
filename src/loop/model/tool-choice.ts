import { invalid } from '../../errors.ts';
import { hint } from '../../options.ts';
import type { ToolChoice } from '../../ports/model.ts';
import type { AgentDefinition, LoopScope } from '../types.ts';

/** @throws RondoError `CONFIG_INVALID` for an unknown choice, or one that no tool of the agent can satisfy. */
export function checkToolChoice(choice: unknown, { name, tools, sources }: Pick<AgentDefinition, 'name' | 'tools' | 'sources'>): void {
  if (choice === undefined || choice === 'auto' || choice === 'none') return;
  const where = `agent "${name}": toolChoice`;
  const named = typeof choice === 'object' && choice !== null ? (choice as { tool?: unknown }).tool : undefined;
  if (choice !== 'required' && typeof named !== 'string')
    throw invalid(`${where} is 'auto', 'none', 'required' or { tool: 'refund' }, not ${JSON.stringify(choice)}.`);
  // the tools of a source are known only in a run
  if (sources.length > 0) return;
  if (tools.size === 0) throw invalid(`${where} asks for a call, and the agent has no tools.`);
  if (typeof named !== 'string' || tools.has(named)) return;
  throw invalid(`${where}: there is no tool "${named}". ${hint(named, [...tools.keys()])}`);
}

/**
 * The tool choice of the next step; undefined if the model may choose. A call can be required in the first step only, because a model that
 * must call a tool in every step never answers. A tool that is not offered is not required.
 */
export function choiceOf({ agent, frame, run, tools }: LoopScope): ToolChoice | undefined {
  const choice = (frame.parent ? undefined : run.started.toolChoice) ?? agent.toolChoice;
  if (choice === undefined || choice === 'auto') return undefined;
  if (choice === 'none') return choice;
  if (frame.step > 0) return undefined;
  const offered = (name: string) => tools.has(name) && !tools.get(name)?.hidden;
  if (choice === 'required') return [...tools.keys()].some(offered) ? choice : undefined;
  return offered(choice.tool) ? choice : undefined;
}
