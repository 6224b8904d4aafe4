/** Makes memories forget a session or a principal, before the journals are removed. */
import { RondoError, ToolError } from '../../errors.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import type { Memory } from '../../ports/memory.ts';
import type { Principal } from '../../ports/principal.ts';
import { messageOf } from '../../reliability/classify.ts';
import { signalled } from '../../reliability/patience.ts';
import { memoriesOf, type Recorder } from '../drive/recorder.ts';
import type { Resources } from '../resources.ts';

/** Milliseconds that a memory may take to forget. */
const TIMEOUT = 60_000;

/**
 * Makes every memory forget a session, or everything of a principal.
 * @param by the principal. A shared session may have runs of other principals too, which are forgotten as well.
 * @returns the runs that a memory without `forget` may still know, and those that one still writes long after it had to end.
 * @throws RondoError `MEMORY_UNAVAILABLE` if a memory fails, `RUN_BUSY` if one is still recording. A repeated call completes it.
 */
export async function clearMemories(
  resources: Resources,
  recorder: Recorder,
  runs: readonly RunFold[],
  session: string | undefined,
  by: Principal | undefined,
): Promise<readonly string[]> {
  const memories = memoriesOf(resources);
  const whose = principalsOf(by, runs);
  const keys = new Set(whose.map(keyOf));
  const ids = new Set(runs.map(({ runId }) => runId));
  const late = await recorder.silence(({ runId, started }) => {
    const of = started.by && keys.has(keyOf(started.by)) && (session === undefined || started.session === session);
    return ids.has(runId) || of === true;
  });
  for (const memory of memories) for (const who of whose) await cleared(memory, who, session);
  const kept = [...memories].every((memory) => memory.forget) ? [] : keptInMemory(resources, runs);
  return [...new Set([...kept, ...late])];
}

/** A principal, and those of runs, each once. */
export const principalsOf = (by: Principal | undefined, runs: readonly RunFold[]): readonly Principal[] => [
  ...new Map([by, ...runs.map((run) => run.started.by)].flatMap((who) => (who ? [[keyOf(who), who] as const] : []))).values(),
];

const keyOf = ({ tenant, id }: Principal) => JSON.stringify([tenant, id]);

/** The runs that a memory may know: completed ones with a principal and a session. */
export function keptInMemory(resources: Resources, runs: readonly RunFold[]): readonly string[] {
  if (memoriesOf(resources).size === 0) return [];
  return runs.flatMap(({ runId, status, started: { by, session } }) =>
    status === 'completed' && by && session !== undefined ? [runId] : [],
  );
}

async function cleared(memory: Memory, by: Principal, session: string | undefined): Promise<void> {
  const what = { by, ...(session !== undefined && { session }) };
  try {
    await signalled((signal) => memory.forget?.({ ...what, signal }), TIMEOUT, 'the memory');
  } catch (cause) {
    const why = ToolError.is(cause) || RondoError.is(cause) ? ` ${messageOf(cause)}` : '';
    throw new RondoError(
      'MEMORY_UNAVAILABLE',
      `a memory did not forget ${session === undefined ? '' : `session "${session}" of `}${by.id}.${why} No run was forgotten: try again.`,
      { cause },
    );
  }
}
