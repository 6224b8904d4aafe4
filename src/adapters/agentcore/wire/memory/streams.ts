/** What happens to records, as AWS delivers it to a stream of Kinesis. Here the streams are lists that can be read. */
import type { MemoryRecord } from '../../../../ports/memory-store.ts';
import { toldValues } from '../../memory/shapes.ts';
import type { World } from '../call.ts';

import type { Memory } from './resources.ts';
import type { Opened } from './stores.ts';

/** A record of a stream. */
export interface StreamRecord {
  /** Higher than those before, as text too. */
  readonly sequenceNumber: string;
  readonly partitionKey: string;
  /** Epoch seconds. */
  readonly approximateArrivalTimestamp: number;
  readonly data: { readonly memoryStreamEvent: Readonly<Record<string, unknown>> };
}

export interface RecordStream {
  /** A memory has a stream from now on. */
  enabled(memory: Memory): void;
  /** By an extraction, or by BatchCreateMemoryRecords. Nothing is told of one that is not there after all. */
  created(opened: Opened, id: string): void;
  /** By BatchUpdateMemoryRecords, and by nothing else. */
  updated(opened: Opened, id: string): void;
  deleted(memory: Memory, id: string): void;
  /** The newest 1,000 of each stream, oldest first, by its ARN. */
  list(): Promise<Readonly<Record<string, readonly StreamRecord[]>>>;
  clear(): void;
}

const KEPT = 1_000;

export function recordStream({ clock }: Pick<World, 'clock'>): RecordStream {
  const streams = new Map<string, StreamRecord[]>();
  let last = 0;

  const resourceOf = ({ streamDeliveryResources }: Memory) => streamDeliveryResources?.resources[0]?.kinesis;

  function put(memory: Memory, eventType: string, more: Readonly<Record<string, unknown>> = {}): void {
    const kinesis = resourceOf(memory);
    if (!kinesis) return;
    const records = streams.get(kinesis.dataStreamArn) ?? [];
    streams.set(kinesis.dataStreamArn, records);
    const now = clock.now();
    const memoryStreamEvent = { eventType, eventTime: new Date(now).toISOString(), memoryId: memory.id, ...more };
    records.push({
      sequenceNumber: String(++last).padStart(20, '0'),
      partitionKey: memory.id,
      approximateArrivalTimestamp: now / 1000,
      data: { memoryStreamEvent },
    });
    if (records.length > KEPT) records.shift();
  }

  // one after the other, in the order in which they happened
  let told = Promise.resolve();
  const next = (tell: () => void | Promise<void>) => {
    // a store that was closed meanwhile tells nothing
    told = told.then(tell).catch(() => undefined);
  };

  function changed(eventType: string, { memory, store }: Opened, id: string): void {
    if (!resourceOf(memory)) return;
    // begun now, so that it is the record before the next change; it waits for the writes that are under way
    const reading = store.record(id).catch(() => undefined);
    next(async () => {
      const record = await reading;
      if (record) put(memory, eventType, toldIn(memory, record));
    });
  }

  function toldIn(memory: Memory, { id, namespace, createdAt, strategy, metadata, text }: MemoryRecord) {
    const whole = resourceOf(memory)?.contentConfigurations[0]?.level === 'FULL_CONTENT';
    const type = memory.strategies.find(({ strategyId }) => strategyId === strategy)?.type;
    return {
      memoryRecordId: id,
      namespaces: [namespace],
      createdAt,
      ...(strategy !== undefined && { memoryStrategyId: strategy }),
      ...(type && { memoryStrategyType: type }),
      metadata: metadata ? toldValues(metadata) : {},
      ...(whole && { memoryRecordText: text }),
    };
  }

  return {
    enabled: (memory) => next(() => put(memory, 'StreamingEnabled')),
    created: (opened, id) => changed('MemoryRecordCreated', opened, id),
    updated: (opened, id) => changed('MemoryRecordUpdated', opened, id),
    deleted: (memory, id) => next(() => put(memory, 'MemoryRecordDeleted', { memoryRecordId: id })),
    async list() {
      await told;
      return Object.fromEntries(streams);
    },
    clear: () => streams.clear(),
  };
}
