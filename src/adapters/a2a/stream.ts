import type { Artifact, StreamResponse, Task, TaskStatus } from '@a2a-js/sdk';
import type { RunEvent } from '../../engine/read/run-event.ts';
import { textPart } from './parts.ts';
import { artifact, OUTPUT, statusOf, usageOf, type Where } from './tasks.ts';

/**
 * Converts a run's events for a caller: the agent's text as it streams, and how the run ends.
 * The artifact is a draft until its last chunk: text before a tool call is replaced by the text after it.
 */
export async function* streamOf(
  where: Where,
  events: AsyncIterable<RunEvent>,
  usage: boolean,
): AsyncGenerator<StreamResponse, void, undefined> {
  let draft: string | undefined;
  let turn = '';
  for await (const event of events) {
    if (event.type === 'text.delta' && event.path.length === 1) {
      const now = `${event.step}.${event.attempt}`;
      const append = draft !== undefined && turn === now;
      draft = append ? draft + event.text : event.text;
      turn = now;
      yield chunk(where, { ...artifact(''), parts: [textPart(event.text)] }, append, false);
    }
    if (event.type !== 'run.ended') continue;
    const { result } = event;
    if (result.status === 'completed') {
      const same = draft !== undefined && result.output === draft;
      yield chunk(where, same ? { ...artifact(''), parts: [textPart('')] } : artifact(result.output), same, true);
    }
    yield update(
      where,
      statusOf(where, event.at, result, result.status === 'paused' ? result.approvals : []),
      usage ? usageOf(result) : undefined,
    );
  }
}

const chunk = ({ id, contextId }: Where, of: Artifact, append: boolean, lastChunk: boolean): StreamResponse => ({
  payload: {
    $case: 'artifactUpdate',
    value: { taskId: id, contextId, artifact: { ...of, artifactId: OUTPUT }, append, lastChunk, metadata: undefined },
  },
});

const update = ({ id, contextId }: Where, status: TaskStatus, metadata: Task['metadata']): StreamResponse => ({
  payload: { $case: 'statusUpdate', value: { taskId: id, contextId, status, metadata } },
});
