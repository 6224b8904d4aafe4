import { invalid, RondoError } from '../../../errors.ts';
import { checkOptions } from '../../../options.ts';
import type { MemoryStore } from '../../../ports/memory-store.ts';
import { checkedCalls } from '../../memory/calls.ts';
import type { AgentCoreClient } from '../client.ts';
import { isMissing } from './errors.ts';
import { agentcoreEvents, pageOf } from './events.ts';
import { checkPlaces, forgetting } from './forget.ts';
import { line } from './line.ts';
import { agentcoreRecords } from './records.ts';

export interface AgentCoreMemoryOptions {
  /** The id or the ARN of a memory. */
  memoryId: string;
  /** Default: that of the ARN, else of the environment. */
  region?: string;
  /** The official client. Default: one that is made at the first call. */
  client?: AgentCoreClient;
  /** Default: `AWS_ENDPOINT_URL_BEDROCK_AGENTCORE`, else that of the region. */
  endpoint?: string;
  /** Where the strategies of the memory put the records of a user, such as `/facts/{actorId}/`: `forget` deletes what is there. A memory without strategies has none: `[]`. */
  namespaces?: readonly string[];
}

const WHERE = 'agentcoreMemory()';
const EXAMPLES = {
  memoryId: "memoryId: 'support-a1b2c3d4e5'",
  region: "region: 'us-east-1'",
  client: 'client: new BedrockAgentCoreClient({})',
  endpoint: "endpoint: 'http://127.0.0.1:4566'",
  namespaces: "namespaces: ['/facts/{actorId}/']",
};
/** Most entries of a page of failed extractions. */
const MOST_JOBS = 50;

/**
 * A memory of Amazon Bedrock AgentCore as a store. AWS extracts, by the strategies of the memory. An event is one call of CreateEvent, which AWS charges for.
 * `settled` throws `MEMORY_CANNOT_TELL`: AWS does not say when an extraction has ended. docs/agentcore/memory.md says what else differs from `sqliteMemory()`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function agentcoreMemory(o: AgentCoreMemoryOptions): MemoryStore {
  checkOptions(o, EXAMPLES, WHERE);
  if (o.namespaces !== undefined && !Array.isArray(o.namespaces))
    throw invalid(`${WHERE}: namespaces is a list, such as ['/facts/{actorId}/'].`);
  const places = o.namespaces && checkPlaces(o.namespaces, WHERE);
  const calls = line(o);
  const { memoryId, call } = calls;
  const parts = { ...agentcoreEvents(calls), ...agentcoreRecords(calls) };
  return checkedCalls({
    ...parts,
    async jobs(query = {}) {
      const { actor, session, strategy, limit, signal } = query;
      const filter = {
        ...(actor !== undefined && { actorId: actor }),
        ...(session !== undefined && { sessionId: session }),
        ...(strategy !== undefined && { strategyId: strategy }),
      };
      const page = pageOf({ ...query, ...(limit !== undefined && limit <= 100 && { limit: Math.min(limit, MOST_JOBS) }) });
      const input = { memoryId, ...page, ...(Object.keys(filter).length > 0 && { filter }) };
      const { jobs = [], nextToken } = await call(
        'ListMemoryExtractionJobs',
        (client, { ListMemoryExtractionJobsCommand }, options) => client.send(new ListMemoryExtractionJobsCommand(input), options),
        { what: 'a list of failed extractions', signal },
      );
      const items = jobs.map((job) => ({
        id: job.jobID as string,
        strategy: job.strategyId ?? '',
        actor: job.actorId ?? '',
        session: job.sessionId ?? '',
        status: 'failed' as const,
        reason: job.failureReason ?? '',
        messages: (job.messages?.messagesList ?? []).map(({ eventId, messageIndex }) => ({
          event: eventId as string,
          item: messageIndex as number,
        })),
      }));
      return { items, ...(nextToken !== undefined && { next: nextToken }) };
    },
    async redeliver(job) {
      try {
        const input = { memoryId, extractionJob: { jobId: job } };
        await call(
          'StartMemoryExtractionJob',
          (client, { StartMemoryExtractionJobCommand }, options) => client.send(new StartMemoryExtractionJobCommand(input), options),
          { what: 'the repeat of an extraction', known: isMissing },
        );
      } catch (cause) {
        if (!isMissing(cause)) throw cause;
        throw new RondoError('MEMORY_JOB_UNKNOWN', `There is no failed extraction ${job}.`, { cause, details: { job } });
      }
    },
    async settled() {
      throw new RondoError(
        'MEMORY_CANNOT_TELL',
        'AgentCore does not say when an extraction has ended: it takes seconds to minutes. Look for the records, and for failures in jobs().',
      );
    },
    forget: forgetting(parts, places),
    async close() {
      calls.close();
    },
  });
}
