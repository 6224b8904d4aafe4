import { RondoError } from '../errors.ts';
import type { EntryOf } from '../journal/entries.ts';
import { messageOf } from '../reliability/classify.ts';
import { Halted, unlessHalted } from '../reliability/patience.ts';
import { granted } from './grants.ts';
import type { AgentDefinition, Scope, ToolDefinition, Tools } from './types.ts';

/** The tools of sources, as the journal pins them; undefined for an agent without sources. */
export function pinned(agent: AgentDefinition, tools: Tools): EntryOf<'context.changed'>['tools'] {
  if (agent.sources.length === 0) return undefined;
  return [...tools.values()].filter((t) => !agent.tools.has(t.name) && !t.hidden).map(({ name, hash }) => ({ name, hash }));
}

/** Whether a source may offer something else than at the step before. */
export const isStale = ({ agent, host, drive, revision }: Scope): boolean =>
  agent.sources.length > 0 && host.revisionOf(agent, drive.caller) !== revision;

/**
 * Takes up what the sources offer now, for the step that begins. What cannot be listed, or offered together, leaves the run with
 * the tools it has: a server must not end it.
 */
export async function relist(scope: Scope): Promise<void> {
  const { agent, host, drive } = scope;
  const revision = host.revisionOf(agent, drive.caller);
  scope.found = undefined;
  let listed: Tools;
  try {
    const found = host.toolsOf(agent, drive.caller);
    listed = granted(found instanceof Promise ? await unlessHalted(found, scope.cancel) : found, scope.grants);
  } catch (error) {
    if (error instanceof Halted) throw error;
    const why = RondoError.is(error) ? error.message : messageOf(error);
    process.emitWarning(`agent "${agent.name}" keeps the tools it has: the new list cannot be taken. ${why}`, 'RondoWarning');
    scope.revision = revision;
    return;
  }
  scope.revision = revision;
  const tools = new Map([...listed].map(([name, now]) => [name, asOffered(now, scope.tools.get(name))]));
  if (isSame(tools, scope.tools)) return;
  const pins = pinned(agent, tools);
  if (JSON.stringify(pins) !== JSON.stringify(pinned(agent, scope.tools)))
    await scope.append(() => [{ type: 'context.changed', tools: pins ?? [] }]);
  scope.tools = tools;
  scope.request = undefined;
}

/** A tool that this part has been offered, and that is held back now, stays as it was told: a call of it gets the reason. */
function asOffered(now: ToolDefinition, before: ToolDefinition | undefined): ToolDefinition {
  if (now.held === undefined || !before || before.hidden) return now;
  return before.held === now.held ? before : { ...before, held: now.held };
}

const isSame = (a: Tools, b: Tools) => a.size === b.size && [...a].every(([name, tool]) => b.get(name) === tool);
