/** The data plane of Memory: what was learned. */
import type { MemoryRecord, MemoryStore, RecordChange, Written } from '../../../../ports/memory-store.ts';
import { recordValuesOf, type Value } from '../../memory/shapes.ts';
import type { Operations, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { executed } from '../memory/errors.ts';
import { type NamespaceMatch, type Place, queryOf, toldRecord } from '../memory/record-shapes.ts';
import type { Replies } from '../memory/replies.ts';
import { strategiesOf } from '../memory/resources.ts';
import type { Opened, Stores } from '../memory/stores.ts';
import type { RecordStream } from '../memory/streams.ts';
import type { PageRequest } from '../state.ts';
import { pageOf } from './memory-events.ts';

interface Named {
  memoryId: string;
  memoryRecordId: string;
  namespace?: string;
}
interface Searched extends PageRequest {
  memoryId: string;
  namespace?: string;
  namespacePath?: string;
  searchCriteria: Pick<Place, 'memoryStrategyId' | 'metadataFilters'> & { searchQuery: string; topK?: number };
}
interface NewRecordInput {
  requestIdentifier: string;
  namespaces: readonly string[];
  content: { text: string };
  timestamp: Date;
  memoryStrategyId?: string;
  metadata?: Readonly<Record<string, Value>>;
}
interface ChangeInput {
  memoryRecordId: string;
  timestamp: Date;
  content?: { text: string };
  namespaces?: readonly string[];
  sourceNamespaces?: readonly string[];
  memoryStrategyId?: string;
  metadata?: Readonly<Record<string, Value>>;
}

/** What became of one record of a batch. */
interface Outcome {
  memoryRecordId: string;
  status: 'SUCCEEDED' | 'FAILED';
  requestIdentifier?: string;
  errorCode?: number;
  errorMessage?: string;
}

export interface RecordOptions {
  namespace: NamespaceMatch;
}

export function recordOperations(
  world: World,
  stores: Stores,
  replies: Replies,
  stream: RecordStream,
  { namespace: match }: RecordOptions,
): Operations {
  const missing = (id: string) => new AwsError('ResourceNotFoundException', `Memory record not found: ${id}`);

  /** A record, if it is in the namespace that is named. */
  async function recordIn(store: MemoryStore, id: string, namespaces: readonly string[] | undefined): Promise<MemoryRecord | undefined> {
    const record = await executed(store.record(id));
    return record && (!namespaces?.length || namespaces.some((path) => covers(path, record.namespace))) ? record : undefined;
  }

  const isStrategy = ({ memory }: Opened, id: string | undefined) =>
    id === undefined || strategiesOf(world, memory).some(({ strategyId }) => strategyId === id);

  return {
    async RetrieveMemoryRecords(input: Searched) {
      const { searchQuery, topK, ...criteria } = input.searchCriteria;
      const { store } = stores.of(input.memoryId);
      const query = { ...queryOf({ ...input, ...criteria }, match), text: searchQuery, ...(topK !== undefined && { top: topK }) };
      const { items, next } = await executed(store.search({ ...query, ...pageOf(input) }));
      return { memoryRecordSummaries: items.map((record) => toldRecord(record, record.score)), nextToken: next };
    },
    async ListMemoryRecords(input: Place & PageRequest & { memoryId: string }) {
      const { store } = stores.of(input.memoryId);
      const { items, next } = await executed(store.list({ ...queryOf(input, match), ...pageOf(input) }));
      return { memoryRecordSummaries: items.map((record) => toldRecord(record)), nextToken: next };
    },
    async GetMemoryRecord({ memoryId, memoryRecordId, namespace }: Named) {
      const { store } = stores.of(memoryId);
      const record = await recordIn(store, memoryRecordId, listOf(namespace));
      if (!record) throw missing(memoryRecordId);
      return { memoryRecord: toldRecord(record) };
    },
    async DeleteMemoryRecord({ memoryId, memoryRecordId, namespace }: Named) {
      const opened = stores.of(memoryId);
      const record = await recordIn(opened.store, memoryRecordId, listOf(namespace));
      const [written] = record ? await executed(opened.store.remove([memoryRecordId])) : [];
      if (!written?.ok) throw missing(memoryRecordId);
      stream.deleted(opened.memory, memoryRecordId);
      return { memoryRecordId };
    },
    async BatchCreateMemoryRecords({
      memoryId,
      records,
      clientToken,
    }: {
      memoryId: string;
      records: readonly NewRecordInput[];
      clientToken?: string;
    }) {
      const opened = stores.of(memoryId);
      return replies('BatchCreateMemoryRecords', opened.memory.id, clientToken, async (attempt) => {
        return each(records, async (input, i) => {
          const { requestIdentifier, namespaces, content, timestamp, memoryStrategyId, metadata } = input;
          const told = { memoryRecordId: '', requestIdentifier };
          const [namespace] = namespaces;
          if (namespace === undefined) return failed(told, 400, 'A record needs one namespace.');
          if (!isStrategy(opened, memoryStrategyId)) return failed(told, 404, `The memory has no strategy ${memoryStrategyId}.`);
          const record = {
            namespace,
            text: content.text,
            at: timestamp.getTime(),
            ...(memoryStrategyId !== undefined && { strategy: memoryStrategyId }),
            ...(metadata && { metadata: recordValuesOf(metadata) }),
          };
          const [written] = await executed(opened.store.add([record], attempt && { key: `${attempt.key} ${i}` }));
          // its id comes from the key, so the store asks for none
          if (written?.ok && attempt) stream.created(opened, written.id);
          return outcomeOf(told, written as Written);
        });
      });
    },
    async BatchUpdateMemoryRecords({ memoryId, records }: { memoryId: string; records: readonly ChangeInput[] }) {
      const opened = stores.of(memoryId);
      return each(records, async (input) => {
        const { memoryRecordId, memoryStrategyId, sourceNamespaces } = input;
        const told = { memoryRecordId };
        const record = await recordIn(opened.store, memoryRecordId, sourceNamespaces);
        if (!record) return failed(told, 404, `Memory record not found: ${memoryRecordId}`);
        if (memoryStrategyId !== undefined && memoryStrategyId !== record.strategy)
          return failed(told, 400, 'The strategy of a record cannot be changed.');
        const [written] = await executed(opened.store.correct([changeOf(input)]));
        const outcome = outcomeOf(told, written as Written);
        if (outcome.status === 'SUCCEEDED') stream.updated(opened, memoryRecordId);
        return outcome;
      });
    },
    async BatchDeleteMemoryRecords({ memoryId, records }: { memoryId: string; records: readonly Omit<Named, 'memoryId'>[] }) {
      const opened = stores.of(memoryId);
      return each(records, async ({ memoryRecordId, namespace }) => {
        const told = { memoryRecordId };
        if (!(await recordIn(opened.store, memoryRecordId, listOf(namespace))))
          return failed(told, 404, `Memory record not found: ${memoryRecordId}`);
        const [written] = await executed(opened.store.remove([memoryRecordId]));
        const outcome = outcomeOf(told, written as Written);
        if (outcome.status === 'SUCCEEDED') stream.deleted(opened.memory, memoryRecordId);
        return outcome;
      });
    },
  };
}

const listOf = (namespace: string | undefined) => (namespace === undefined ? undefined : [namespace]);

/** By whole segments. */
const covers = (path: string, namespace: string): boolean => `${namespace}/`.startsWith(path.endsWith('/') ? path : `${path}/`);

function changeOf({ memoryRecordId, timestamp, content, namespaces, metadata }: ChangeInput): RecordChange {
  const [namespace] = namespaces ?? [];
  return {
    id: memoryRecordId,
    at: timestamp.getTime(),
    ...(content && { text: content.text }),
    ...(namespace !== undefined && { namespace }),
    ...(metadata && { metadata: recordValuesOf(metadata) }),
  };
}

const failed = (told: Pick<Outcome, 'memoryRecordId' | 'requestIdentifier'>, errorCode: number, errorMessage: string): Outcome => ({
  ...told,
  status: 'FAILED',
  errorCode,
  errorMessage,
});

function outcomeOf(told: Pick<Outcome, 'memoryRecordId' | 'requestIdentifier'>, written: Written): Outcome {
  if (written.ok) return { ...told, memoryRecordId: written.id, status: 'SUCCEEDED' };
  return failed(told, written.code === 'MEMORY_RECORD_UNKNOWN' ? 404 : 400, written.message);
}

/** One after the other, in their order. */
async function each<T>(records: readonly T[], act: (record: T, i: number) => Promise<Outcome>) {
  const outcomes: Outcome[] = [];
  for (const [i, record] of records.entries()) outcomes.push(await act(record, i));
  return {
    successfulRecords: outcomes.filter(({ status }) => status === 'SUCCEEDED'),
    failedRecords: outcomes.filter(({ status }) => status === 'FAILED'),
  };
}
