/** Records of the port on AgentCore. */
import type {
  MemoryMetadataFilterExpression,
  MemoryRecordMetadataValue,
  MemoryRecordOutput,
  MemoryRecordSummary,
  MemoryRecordUpdateInput,
} from '@aws-sdk/client-bedrock-agentcore';
import { RondoError } from '../../../errors.ts';
import type {
  MemoryRecord,
  MemoryStore,
  NewRecord,
  Origin,
  RecordChange,
  RecordFilter,
  RecordQuery,
  RecordValue,
  SearchQuery,
  Written,
} from '../../../ports/memory-store.ts';
import { list } from '../../memory/checks.ts';
import { unknownRecord, verdictOf } from '../../memory/errors.ts';
import { checkedQuery } from '../../memory/record-filter.ts';
import { checkedChange, checkedRecord } from '../../memory/record-input.ts';
import { isMissing } from './errors.ts';
import { pageOf, tokenOf } from './events.ts';
import { assertAdmitted, isRecordId } from './limits.ts';
import type { Line } from './line.ts';
import { recordValuesOf, toldValue, toldValues, type Value } from './shapes.ts';

/** The entry of a record's metadata that says who said it. AgentCore's own records have none. */
const ORIGIN = 'rondo.origin';

export type Records = Pick<MemoryStore, 'search' | 'list' | 'record' | 'add' | 'correct' | 'remove'>;

export function agentcoreRecords({ memoryId, call }: Line): Records {
  async function record(id: string): Promise<MemoryRecord | undefined> {
    if (!isRecordId(id)) return undefined;
    try {
      const input = { memoryId, memoryRecordId: id };
      const { memoryRecord } = await call(
        'GetMemoryRecord',
        (client, { GetMemoryRecordCommand }, o) => client.send(new GetMemoryRecordCommand(input), o),
        { what: 'a record', known: isMissing },
      );
      return recordOf(memoryRecord as MemoryRecordSummary);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Checks each entry here, sends those that hold, and puts the verdicts in their places. */
  async function batch<T>(
    given: readonly T[],
    field: string,
    check: (entry: T) => void,
    send: (entries: readonly { entry: T; name: string }[]) => Promise<readonly (MemoryRecordOutput & { name: string })[]>,
  ): Promise<readonly Written[]> {
    const verdicts: (Written | undefined)[] = list<T>(given, field, 0, 100).map((entry) => refusalOf(() => check(entry), entry));
    const sent = given.flatMap((entry, i) => (verdicts[i] ? [] : [{ entry, name: `r${i}` }]));
    for (const { name, ...outcome } of sent.length > 0 ? await send(sent) : []) verdicts[Number(name.slice(1))] = writtenOf(outcome);
    return verdicts.map(
      (verdict) => verdict ?? { ok: false, code: 'MEMORY_UNAVAILABLE', message: 'AgentCore gave no verdict on this record.' },
    );
  }

  return {
    record,
    async search(query) {
      checkedQuery(query);
      const input = { memoryId, ...placeOf(query), searchCriteria: criteriaOf(query), ...pageOf(query) };
      const { memoryRecordSummaries = [], nextToken } = await call(
        'RetrieveMemoryRecords',
        (client, { RetrieveMemoryRecordsCommand }, o) => client.send(new RetrieveMemoryRecordsCommand(input), o),
        { what: 'a search', signal: query.signal },
      );
      const items = memoryRecordSummaries.map((one) => ({ ...recordOf(one), score: one.score ?? 0 })).filter(covers(query));
      return { items, ...(nextToken !== undefined && { next: nextToken }) };
    },
    async list(query) {
      checkedQuery(query);
      const { strategy, metadata = [] } = query;
      const input = {
        memoryId,
        ...placeOf(query),
        ...(strategy !== undefined && { memoryStrategyId: strategy }),
        ...(metadata.length > 0 && { metadataFilters: metadata.map(filterOf) }),
        ...pageOf(query),
      };
      const { memoryRecordSummaries = [], nextToken } = await call(
        'ListMemoryRecords',
        (client, { ListMemoryRecordsCommand }, o) => client.send(new ListMemoryRecordsCommand(input), o),
        { what: 'a list of records', signal: query.signal },
      );
      const items = memoryRecordSummaries.map(recordOf).filter(covers(query));
      return { items, ...(nextToken !== undefined && { next: nextToken }) };
    },
    add: async (records, { key } = {}) =>
      batch<NewRecord>(
        records,
        'records',
        (one) => {
          checkedRecord(one);
          refuseExpiry(one.expiresAt);
          assertAdmitted(one, one.origin === undefined ? 0 : 1);
        },
        async (entries) => {
          const input = {
            memoryId,
            ...(key !== undefined && { clientToken: tokenOf(memoryId, key) }),
            records: entries.map(({ entry, name }) => ({
              requestIdentifier: name,
              namespaces: [entry.namespace],
              content: { text: entry.text },
              timestamp: new Date(entry.at ?? Date.now()),
              ...(entry.strategy !== undefined && { memoryStrategyId: entry.strategy }),
              ...withMetadata(entry.metadata, entry.origin),
            })),
          };
          const { successfulRecords = [], failedRecords = [] } = await call(
            'BatchCreateMemoryRecords',
            (client, { BatchCreateMemoryRecordsCommand }, o) => client.send(new BatchCreateMemoryRecordsCommand(input), o),
            { what: 'new records' },
          );
          return [...successfulRecords, ...failedRecords].map((one) => ({ ...one, name: one.requestIdentifier as string }));
        },
      ),
    correct: async (changes) =>
      batch<RecordChange>(
        changes,
        'changes',
        (change) => {
          assertKnown(checkedChange(change).id);
          refuseExpiry(change.expiresAt);
          // who said the record is kept in an entry
          assertAdmitted(change, 1);
        },
        async (entries) => {
          const records: MemoryRecordUpdateInput[] = [];
          for (const { entry } of entries) {
            const { id, text, namespace, metadata, at } = entry;
            records.push({
              memoryRecordId: id,
              timestamp: new Date(at ?? Date.now()),
              ...(text !== undefined && { content: { text } }),
              ...(namespace !== undefined && { namespaces: [namespace] }),
              // new metadata replaces all of it, and who said the record stays
              ...(metadata && withMetadata(metadata, (await record(id))?.origin)),
            });
          }
          const { successfulRecords = [], failedRecords = [] } = await call(
            'BatchUpdateMemoryRecords',
            (client, { BatchUpdateMemoryRecordsCommand }, o) => client.send(new BatchUpdateMemoryRecordsCommand({ memoryId, records }), o),
            { what: 'corrections' },
          );
          return byId(
            [...successfulRecords, ...failedRecords],
            entries.map(({ entry, name }) => ({ id: entry.id, name })),
          );
        },
      ),
    remove: async (ids) =>
      batch<string>(
        ids,
        'ids',
        (id) => assertKnown(checkedChange({ id }).id),
        async (entries) => {
          const records = entries.map(({ entry }) => ({ memoryRecordId: entry }));
          const { successfulRecords = [], failedRecords = [] } = await call(
            'BatchDeleteMemoryRecords',
            (client, { BatchDeleteMemoryRecordsCommand }, o) => client.send(new BatchDeleteMemoryRecordsCommand({ memoryId, records }), o),
            { what: 'the deletion of records' },
          );
          return byId(
            [...successfulRecords, ...failedRecords],
            entries.map(({ entry, name }) => ({ id: entry, name })),
          );
        },
      ),
  };
}

const placeOf = ({ namespace, within = true }: RecordQuery) => (within ? { namespacePath: namespace } : { namespace });

/** Sources disagree on what `namespace` covers in AWS: what is below it is left out here. */
const covers =
  ({ namespace, within = true }: RecordQuery) =>
  (record: MemoryRecord): boolean =>
    within || record.namespace.replace(/\/$/, '') === namespace.replace(/\/$/, '');

const criteriaOf = ({ text, top, strategy, metadata = [] }: SearchQuery) => ({
  searchQuery: text,
  ...(top !== undefined && { topK: top }),
  ...(strategy !== undefined && { memoryStrategyId: strategy }),
  ...(metadata.length > 0 && { metadataFilters: metadata.map(filterOf) }),
});

const OPERATORS = {
  present: 'EXISTS',
  absent: 'NOT_EXISTS',
  equal: 'EQUALS_TO',
  contains: 'CONTAINS',
  before: 'BEFORE',
  after: 'AFTER',
  greater: 'GREATER_THAN',
  'at-least': 'GREATER_THAN_OR_EQUALS',
  less: 'LESS_THAN',
  'at-most': 'LESS_THAN_OR_EQUALS',
} as const;

const filterOf = (filter: RecordFilter): MemoryMetadataFilterExpression => ({
  left: { metadataKey: filter.key },
  operator: OPERATORS[filter.is],
  ...('value' in filter && { right: { metadataValue: toldValue(filter.value) as MemoryRecordMetadataValue } }),
});

function withMetadata(metadata: Readonly<Record<string, RecordValue>> = {}, origin: Origin | undefined) {
  const all = toldValues({ ...metadata, ...(origin !== undefined && { [ORIGIN]: origin }) });
  return Object.keys(all).length > 0 ? { metadata: all as Record<string, MemoryRecordMetadataValue> } : {};
}

function recordOf({ memoryRecordId, content, memoryStrategyId, namespaces, createdAt, metadata = {} }: MemoryRecordSummary): MemoryRecord {
  const { [ORIGIN]: origin, ...own } = recordValuesOf(metadata as unknown as Record<string, Value>);
  return {
    id: memoryRecordId as string,
    namespace: namespaces?.[0] ?? '',
    text: content?.text ?? '',
    ...(memoryStrategyId && { strategy: memoryStrategyId }),
    ...(Object.keys(own).length > 0 && { metadata: own }),
    createdAt: (createdAt as Date).getTime(),
    ...(typeof origin === 'string' && { origin: origin as Origin }),
  };
}

/** @throws RondoError `MEMORY_RECORD_UNKNOWN` for an id that AWS cannot have given. */
function assertKnown(id: string): void {
  if (!isRecordId(id)) throw unknownRecord(id);
}

/** A record that would stay longer than it may is worse than none. */
function refuseExpiry(expiresAt: number | null | undefined): void {
  if (typeof expiresAt === 'number')
    throw new RondoError('MEMORY_INPUT_INVALID', 'expiresAt: a record in AgentCore has no time of its own at which it expires.', {
      details: { field: 'expiresAt' },
    });
}

function refusalOf(check: () => void, entry: unknown): Written | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return verdictOf(error, entry);
  }
}

function writtenOf({ memoryRecordId, status, errorCode, errorMessage = 'AgentCore refused it.' }: MemoryRecordOutput): Written {
  if (status === 'SUCCEEDED') return { ok: true, id: memoryRecordId as string };
  const code = errorCode === 404 ? 'MEMORY_RECORD_UNKNOWN' : isRefusal(errorCode) ? 'MEMORY_INPUT_INVALID' : 'MEMORY_UNAVAILABLE';
  return { ok: false, ...(memoryRecordId && { id: memoryRecordId }), code, message: errorMessage };
}

/** Whether it would be refused again, however often it is sent. A throttle, a want of rights and a failure of AWS are not of the record. */
const isRefusal = (status = 500): boolean => status >= 400 && status < 500 && ![401, 403, 429].includes(status);

/** The outcomes of a batch that names no requests, in the order of AWS: each for the first request of its record that has none. */
function byId(outcomes: readonly MemoryRecordOutput[], entries: readonly { id: string; name: string }[]) {
  const open = [...entries];
  return outcomes.flatMap((outcome) => {
    const place = open.findIndex(({ id }) => id === outcome.memoryRecordId);
    const [entry] = place < 0 ? [] : open.splice(place, 1);
    return entry ? [{ ...outcome, name: entry.name }] : [];
  });
}
