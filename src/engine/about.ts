/** What the policy is told of a run, by its entries or by its head. */
import type { RunFold } from '../journal/fold/fold.ts';
import type { RunHead } from '../journal/port.ts';
import { sessionId } from '../journal/session.ts';
import type { AccessRequest } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';

export type About = Pick<AccessRequest, 'agent' | 'runId' | 'session'> & { owner: NonNullable<AccessRequest['owner']> | undefined };

/** @param by on whose behalf the run works. */
export const aboutStart = (runId: string, started: { agent: string; session?: string | undefined; by?: Principal | undefined }): About => ({
  runId,
  agent: started.agent,
  session: started.session,
  owner: ownerOf(started.by),
});

export const ownerOf = (by: Pick<Principal, 'id' | 'tenant'> | undefined): About['owner'] =>
  by && { id: by.id, ...(by.tenant !== undefined && { tenant: by.tenant }) };

export const aboutRun = ({ runId, root, started }: RunFold): About => aboutStart(runId, { ...started, agent: root.agent });

/** A run whose entries are not read. Its head must not be doubtful. */
export const aboutHead = ({ runId, agent, session, by, tenant }: RunHead): About => ({
  runId,
  agent,
  session: session === undefined ? undefined : sessionId(session),
  owner: by === undefined ? undefined : ownerOf({ id: by, ...(tenant !== undefined && { tenant }) }),
});
