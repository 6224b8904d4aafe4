import { RondoError } from '../errors.ts';
import type { Frame, RunFold } from '../journal/fold.ts';
import { callsOf } from '../journal/frame.ts';
import type { HeadFilter, Journal, RunHead } from '../journal/port.ts';
import { sessionId, sessionKey } from '../journal/session.ts';
import type { AgentDefinition } from '../loop/types.ts';

import type { Principal } from '../ports/principal.ts';
import { loadRun } from './history.ts';
import type { RunSummary } from './options.ts';

/** Whose eyes look: a principal's, or the engine's own. */
export type Eyes = Principal | undefined | typeof ENGINE;
export const ENGINE = Symbol('engine');

/** A run of a tenant does not exist for anyone else. */
export const sees = (eyes: Eyes, tenant: string | undefined) => eyes === ENGINE || tenant === undefined || eyes?.tenant === tenant;

/** @throws RondoError `RUN_NOT_FOUND` where there is none, or none for these eyes: the two look the same. */
export async function findRun(journal: Journal, runId: string, eyes: Eyes, until?: number): Promise<RunFold> {
  const run = await loadRun(journal, runId, until);
  if (run && sees(eyes, run.started.by?.tenant)) return run;
  throw notFound(runId);
}

/** The heads of the sessions of an id as a caller would continue them, newest first. */
export async function headsOfSession(journal: Journal, session: string, by: Principal | undefined, filter: HeadFilter): Promise<RunHead[]> {
  const heads: RunHead[] = [];
  for (const shared of by ? [false, true] : [false])
    for await (const head of journal.heads({ ...filter, session: sessionKey({ session, by, shared }) as string }))
      if (head.tenant === by?.tenant) heads.push(head);
  return heads.sort((a, b) => b.startedAt - a.startedAt);
}

export const notFound = (runId: string) =>
  new RondoError(
    'RUN_NOT_FOUND',
    CALL.test(runId)
      ? `"${runId}" is a call, not a run: what a sub-agent or a node does is part of the run at the top. Name that one.`
      : `there is no run "${runId}". runs() lists those there are.`,
    { details: { runId } },
  );

/** Ids of calls, by which sub-agents are known too. */
const CALL = /^\d+\.\d+(\/|$)/;

export async function findHead(journal: Journal, runId: string): Promise<RunHead | undefined> {
  for await (const head of journal.heads({ runId, limit: 1 })) if (head.runId === runId) return head;
  return undefined;
}

/**
 * A run as it is listed; undefined where these eyes do not see it. A head that the store doubts is not believed: its entries say whose
 * the run is and where it stands, or that they are damaged.
 */
export async function summaryOf(journal: Journal, head: RunHead, eyes: Eyes): Promise<RunSummary | undefined> {
  const { runId, agent, status, session, startedAt, wakeAt, unknowns } = head;
  const summary: RunSummary = {
    runId,
    agent,
    status,
    startedAt,
    unknowns: unknowns ?? 0,
    ...(session !== undefined && { session: sessionId(session) }),
    ...(wakeAt !== undefined && { wakeAt }),
  };
  const visible = sees(eyes, head.tenant);
  if (!head.doubtful) return visible ? summary : undefined;
  try {
    const run = await loadRun(journal, runId);
    if (!run) return visible ? { ...summary, damaged: true } : undefined;
    const { started } = run;
    if (!sees(eyes, started.by?.tenant)) return undefined;
    return {
      ...summary,
      agent: started.agent,
      status: run.status,
      startedAt: started.at,
      unknowns: run.unknowns.size,
      session: started.session,
    };
  } catch (error) {
    if (!RondoError.is(error, 'JOURNAL_DAMAGED')) throw error;
    return visible ? { ...summary, damaged: true } : undefined;
  }
}

/** The agent of a frame, by the calls that lead to it; undefined where it is no longer declared. */
export function agentOf(top: AgentDefinition, frame: Frame): AgentDefinition | undefined {
  if (!frame.parent) return top;
  const above = agentOf(top, frame.parent);
  const call = frame.parent && [...callsOf(frame.parent)].find((c) => c.id === frame.id);
  return call && above?.child(call.name);
}
