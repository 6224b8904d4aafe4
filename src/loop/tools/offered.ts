import { RondoError } from '../../errors.ts';
import type { CancelSource } from '../../reliability/cancel.ts';
import { messageOf } from '../../reliability/classify.ts';
import { Halted, unlessHalted } from '../../reliability/patience.ts';
import { withReading } from '../context/read-result.ts';
import { granted } from '../grants.ts';
import type { AgentDefinition, Drive, Grants, Scope, ToolDefinition, Tools } from '../types.ts';

/** The tools that an agent may call now. @throws Halted, or the error of a source. */
export function listed(
  { host, caller }: Drive,
  agent: AgentDefinition,
  grants: readonly Grants[],
  cancel: CancelSource,
): Tools | Promise<Tools> {
  const found = host.toolsOf(agent, caller);
  return found instanceof Promise ? unlessHalted(found, cancel).then((tools) => granted(tools, grants)) : granted(found, grants);
}

/** Appends the names and hashes of the tools that the sources offer, if they differ from the journal's. */
export function pin(scope: Scope, tools: Tools): void | Promise<void> {
  const { agent, frame } = scope;
  if (agent.sources.length === 0) return undefined;
  const pins = [...tools.values()]
    .filter((t) => !agent.tools.has(t.name) && !t.hidden && !t.reads)
    .map(({ name, hash }) => ({ name, hash }));
  return JSON.stringify(pins) === JSON.stringify(frame.tools) ? undefined : scope.append(() => [{ type: 'context.changed', tools: pins }]);
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
  let now: Tools;
  try {
    now = withReading(scope.plan, await listed(drive, agent, scope.grants, scope.cancel), agent.name);
  } catch (error) {
    if (error instanceof Halted) throw error;
    const why = RondoError.is(error) ? error.message : messageOf(error);
    process.emitWarning(`agent "${agent.name}" keeps the tools it has: the new list cannot be taken. ${why}`, 'RondoWarning');
    scope.revision = revision;
    return;
  }
  scope.revision = revision;
  const tools = new Map([...now].map(([name, tool]) => [name, asOffered(tool, scope.tools.get(name))]));
  if (isSame(tools, scope.tools)) return;
  await pin(scope, tools);
  scope.tools = tools;
  scope.request = undefined;
}

/** A tool that this part has been offered, and that is held back now, stays as it was told: a call of it gets the reason. */
function asOffered(now: ToolDefinition, before: ToolDefinition | undefined): ToolDefinition {
  if (now.held === undefined || !before || before.hidden) return now;
  return before.held === now.held ? before : { ...before, held: now.held };
}

const isSame = (a: Tools, b: Tools) => a.size === b.size && [...a].every(([name, tool]) => b.get(name) === tool);
