/** The data plane of Memory: extractions that failed. */
import { RondoError } from '../../../../errors.ts';
import type { Operations } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { executed } from '../memory/errors.ts';
import type { Replies } from '../memory/replies.ts';
import type { Stores } from '../memory/stores.ts';
import type { PageRequest } from '../state.ts';
import { pageOf } from './memory-events.ts';

interface ListInput extends PageRequest {
  memoryId: string;
  filter?: { strategyId?: string; sessionId?: string; actorId?: string };
}

export function jobOperations(stores: Stores, replies: Replies): Operations {
  return {
    async ListMemoryExtractionJobs(input: ListInput) {
      const { store } = stores.of(input.memoryId);
      const { strategyId, sessionId, actorId } = input.filter ?? {};
      const { items, next } = await executed(
        store.jobs({
          ...(strategyId !== undefined && { strategy: strategyId }),
          ...(sessionId !== undefined && { session: sessionId }),
          ...(actorId !== undefined && { actor: actorId }),
          ...pageOf(input),
        }),
      );
      const jobs = items.map(({ id, strategy, actor, session, reason, messages }) => ({
        jobID: id,
        status: 'FAILED',
        failureReason: reason,
        strategyId: strategy,
        actorId: actor,
        sessionId: session,
        messages: { messagesList: messages.map(({ event, item }) => ({ eventId: event, messageIndex: item })) },
      }));
      return { jobs, nextToken: next };
    },
    async StartMemoryExtractionJob({
      memoryId,
      extractionJob: { jobId },
      clientToken,
    }: {
      memoryId: string;
      extractionJob: { jobId: string };
      clientToken?: string;
    }) {
      const { memory, store } = stores.of(memoryId);
      return replies('StartMemoryExtractionJob', memory.id, clientToken, async (attempt) => {
        try {
          await executed(store.redeliver(jobId));
        } catch (error) {
          if (!RondoError.is(error, 'MEMORY_JOB_UNKNOWN')) throw error;
          // begun by the first request, it has not failed since
          if (attempt?.again) return { jobId };
          throw new AwsError('ResourceNotFoundException', `Extraction job not found: ${jobId}`);
        }
        return { jobId };
      });
    },
  };
}
