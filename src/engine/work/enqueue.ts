/** Writes runs for later: `queued` in the journal, until a process begins them. */
import { emptyFold } from '../../journal/fold/fold.ts';
import { Log } from '../../journal/log.ts';
import type { RecordChange } from '../../journal/records.ts';
import type { Json } from '../../json.ts';
import type { Agent, AgentDefinition } from '../../loop/types.ts';
import { checksStarts } from '../access.ts';
import { keptLimits, open } from '../drive/drive.ts';
import { queuedIn } from '../drive/history.ts';
import { nextId } from '../drive/ids.ts';
import { LiveRun } from '../drive/live-run.ts';
import { allowedStart, checkRun, firstEntry } from '../drive/start.ts';
import { assertClaims } from '../ledger/reopen.ts';
import { ENQUEUE_OPTIONS, type RunOptions } from '../options.ts';
import type { Resources } from '../resources.ts';
import { engineError } from '../run.ts';

/** @see Engine.enqueue */
export async function enqueue(resources: Resources, agent: Agent, input: unknown, o: RunOptions<Json> = {}): Promise<{ runId: string }> {
  try {
    resources.assertOpen();
    return await enqueueAgent(resources, resources.agents.checked(agent), input, o);
  } catch (error) {
    throw engineError(error);
  }
}

/**
 * Enqueues a run of an agent that is known here.
 * @param record appended to the store's records in the same unit. @throws RondoError `JOURNAL_CONFLICT` if it cannot; then nothing was written.
 */
export async function enqueueAgent(
  resources: Resources,
  definition: AgentDefinition,
  input: unknown,
  o: RunOptions<Json>,
  record?: RecordChange,
): Promise<{ runId: string }> {
  checkRun(definition, o, ENQUEUE_OPTIONS);
  assertClaims(resources, definition);
  // a run that no process can begin would stay queued, and keep its session busy
  keptLimits(resources, definition, o);
  const runId = o.id ?? nextId();
  let started = firstEntry(resources, definition, input, o);
  if (checksStarts(resources)) started = await allowedStart(resources, definition, runId, started);
  if (started.session !== undefined) started = { ...started, ...(await queuedIn(resources.journal, started)) };
  const run = emptyFold(runId, definition.name);
  const live = new LiveRun(runId, resources.host, resources.onEvent);
  const log = new Log(resources.journal, run, undefined, live);
  log.record = record;
  await open(resources, log, () => [{ ...started, queued: true }], false, o.by);
  return { runId };
}
