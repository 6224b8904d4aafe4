import { RondoError } from '../../errors.ts';
import type { Limits } from '../../journal/entries/entries.ts';
import { limitsWith } from '../../journal/entries/limits.ts';
import type { Frame, RunFold } from '../../journal/fold/fold.ts';
import { callsOf } from '../../journal/fold/frame.ts';
import type { HeadFilter, Journal, RunHead } from '../../journal/port.ts';
import { sessionKey } from '../../journal/session.ts';
import type { AgentDefinition } from '../../loop/types.ts';

import type { Principal } from '../../ports/principal.ts';
import { loadRun } from '../drive/history.ts';

/** Who looks at a run: a principal, an application without principals, or the engine itself, which sees everything. */
export type Viewer = Principal | undefined | typeof ENGINE;
export const ENGINE = Symbol('engine');

/** Whether the viewer may see runs of a tenant. For others such a run does not exist. */
export const sees = (viewer: Viewer, tenant: string | undefined) => viewer === ENGINE || tenant === undefined || viewer?.tenant === tenant;

/** @throws RondoError `RUN_NOT_FOUND`, the same for a missing run and for one that the viewer may not see. */
export async function findRun(journal: Journal, runId: string, viewer: Viewer, until?: number): Promise<RunFold> {
  const run = await loadRun(journal, runId, until);
  if (run && sees(viewer, run.started.by?.tenant)) return run;
  throw notFound(runId);
}

/** The heads of the sessions with an id that the caller could continue, newest first. */
export async function headsOfSession(journal: Journal, session: string, by: Principal | undefined, filter: HeadFilter): Promise<RunHead[]> {
  const heads: RunHead[] = [];
  for (const shared of by ? [false, true] : [false])
    for await (const head of journal.heads({ ...filter, session: sessionKey({ session, by, shared }) as string }))
      if (head.tenant === by?.tenant) heads.push(head);
  return heads.sort((a, b) => b.startedAt - a.startedAt);
}

/** The same text for a missing run and for a run of another tenant: it must not tell which ids exist. */
export const notFound = (runId: string) =>
  new RondoError(
    'RUN_NOT_FOUND',
    typeof runId !== 'string'
      ? 'a run is named by its id, a text. Of a result, pass its runId.'
      : CALL.test(runId)
        ? `"${runId}" is a call, not a run: what a sub-agent or a node does is part of the run at the top. Name that one.`
        : `there is no run "${runId}", or it is of a tenant and the caller is not: pass { by } with that tenant. runs() lists those that it may see.`,
    { details: { runId } },
  );

/** Call ids, which are also the ids of sub-agents' frames. */
const CALL = /^\d+\.\d+(\/|$)/;

export async function findHead(journal: Journal, runId: string): Promise<RunHead | undefined> {
  for await (const head of journal.heads({ runId, limit: 1 })) if (head.runId === runId) return head;
  return undefined;
}

/** The agent of a frame, found by the calls on the path to it; undefined if it is no longer declared. */
export function agentOf(top: AgentDefinition, frame: Frame): AgentDefinition | undefined {
  return partOf(top, frame)?.agent;
}

/** The same, with the limits that are its own: those of its declaration, and those with which it is delegated to. */
export function partOf(top: AgentDefinition, frame: Frame): { agent: AgentDefinition; limits: Limits } | undefined {
  if (!frame.parent) return { agent: top, limits: top.limits };
  const above = partOf(top, frame.parent)?.agent;
  const call = [...callsOf(frame.parent)].find((c) => c.id === frame.id);
  const agent = call && above?.child(call.name);
  return agent && { agent, limits: limitsWith(agent.limits, above?.tools.get(call.name)?.delegate?.limits) };
}
