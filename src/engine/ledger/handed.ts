/** The audit of credentials: what each call of a run was handed, by its entries. */
import type { CallId, Entry, HandOut } from '../../journal/entries/entries.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import { callIn, frameOf } from '../../journal/fold/frame.ts';
import type { Principal } from '../../ports/principal.ts';

/** A credential that a tool was handed: who, for what, and when. It never has the token. */
export interface HandOutRecord {
  runId: string;
  callId: CallId;
  /** Empty if no entry before names the call. */
  tool: string;
  /** The names of the agents from the top one of the run to the one that made the call. */
  agent: readonly string[];
  /** As the application named it. */
  session?: string;
  /** The principal on whose behalf the run works. */
  by?: Principal;
  /** What it was, and when. Never the token. */
  credential: HandOut;
}

const NONE: readonly HandOutRecord[] = [];

/**
 * @param run before the entry. What a fork has copied was handed out in the other run.
 * @param before those of the entries before. What an attempt cost is told above its agent once that has ended, where its call is not known.
 */
export function handOutsIn(run: RunFold, entry: Entry, before: readonly HandOutRecord[]): readonly HandOutRecord[] {
  if (!('credentials' in entry) || !entry.credentials || entry.seq <= run.inherited) return NONE;
  const callId = entry.type === 'attempt.failed' ? entry.of : entry.call;
  const frame = frameOf(run, entry);
  if (!frame) return NONE;
  const { session, by } = run.started;
  const name = callIn(frame, callId)?.name;
  const { tool, agent } = (name === undefined && before.find((one) => one.callId === callId)) || { tool: name ?? '', agent: frame.path };
  return entry.credentials.map((credential) => ({
    runId: run.runId,
    callId,
    tool,
    agent,
    ...(session !== undefined && { session }),
    ...(by && { by }),
    credential,
  }));
}
