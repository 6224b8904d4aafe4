import * as data from '@aws-sdk/client-bedrock-agentcore';
import { expect, test } from 'vitest';
import { randomOf, type WithMemory, withMemory } from './kit.ts';

const { BatchCreateMemoryRecordsCommand, BatchDeleteMemoryRecordsCommand, BatchUpdateMemoryRecordsCommand } = data;
const { DeleteMemoryRecordCommand, GetMemoryRecordCommand, RetrieveMemoryRecordsCommand } = data;
const AT = new Date('2026-03-01T12:00:00.500Z');

type New = Partial<data.MemoryRecordCreateInput>;
const record = (text: string, over: New = {}): data.MemoryRecordCreateInput => ({
  requestIdentifier: 'r1',
  namespaces: ['/facts/alice/'],
  content: { text },
  timestamp: AT,
  ...over,
});
const create = ({ client, memoryId }: WithMemory, ...records: data.MemoryRecordCreateInput[]) =>
  client.send(new BatchCreateMemoryRecordsCommand({ memoryId, records }));
const idOf = async (memory: WithMemory, one: data.MemoryRecordCreateInput) =>
  (await create(memory, one)).successfulRecords?.[0]?.memoryRecordId as string;

/** The texts of all pages. */
async function texts({ client, memoryId }: WithMemory, input: Partial<data.ListMemoryRecordsCommandInput> = {}, pageSize = 100) {
  const found: string[] = [];
  for await (const page of data.paginateListMemoryRecords({ client, pageSize }, { memoryId, ...input }))
    found.push(...(page.memoryRecordSummaries ?? []).map(({ content }) => content?.text as string));
  return found;
}

test('records are written, found, changed and deleted', async () => {
  const memory = await withMemory({ memoryStrategies: [{ semanticMemoryStrategy: { name: 'facts' } }] });
  const { client, memoryId } = memory;
  const memoryStrategyId = memory.strategy('facts');
  const metadata = {
    lang: { stringValue: 'en' },
    tags: { stringListValue: ['a', 'b'] },
    size: { numberValue: 3 },
    day: { dateTimeValue: AT },
  };
  const { successfulRecords, failedRecords } = await create(memory, record('Alice likes green tea.', { memoryStrategyId, metadata }));
  expect(failedRecords).toEqual([]);
  expect(successfulRecords).toMatchObject([{ status: 'SUCCEEDED', requestIdentifier: 'r1' }]);
  const memoryRecordId = successfulRecords?.[0]?.memoryRecordId as string;
  expect(memoryRecordId).toMatch(/^mem-[a-zA-Z0-9-_]{36,46}$/);
  const { memoryRecord } = await client.send(new GetMemoryRecordCommand({ memoryId, memoryRecordId }));
  expect(memoryRecord).toEqual({
    memoryRecordId,
    memoryStrategyId,
    content: { text: 'Alice likes green tea.' },
    namespaces: ['/facts/alice/'],
    createdAt: AT,
    metadata,
  });
  const search = (searchQuery: string, namespace = '/facts/alice/') =>
    client.send(new RetrieveMemoryRecordsCommand({ memoryId, namespace, searchCriteria: { searchQuery, topK: 3 } }));
  expect((await search('Which tea does Alice like?')).memoryRecordSummaries).toMatchObject([{ memoryRecordId, score: expect.any(Number) }]);
  expect((await search('tea', '/facts/bob/')).memoryRecordSummaries).toEqual([]);

  const change = { memoryRecordId, timestamp: AT, content: { text: 'Alice drinks cocoa.' } };
  const updated = await client.send(new BatchUpdateMemoryRecordsCommand({ memoryId, records: [change] }));
  expect(updated.successfulRecords).toMatchObject([{ memoryRecordId, status: 'SUCCEEDED' }]);
  expect((await search('tea')).memoryRecordSummaries).toEqual([]);
  expect((await search('cocoa')).memoryRecordSummaries).toMatchObject([{ content: { text: 'Alice drinks cocoa.' }, metadata }]);

  expect(await client.send(new DeleteMemoryRecordCommand({ memoryId, memoryRecordId }))).toMatchObject({ memoryRecordId });
  for (const command of [
    new DeleteMemoryRecordCommand({ memoryId, memoryRecordId }),
    new GetMemoryRecordCommand({ memoryId, memoryRecordId }),
  ])
    await expect(client.send(command as data.GetMemoryRecordCommand)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test('a batch answers for each record; a record that is refused does not stop the others', async () => {
  const memory = await withMemory();
  const { client, memoryId } = memory;
  const created = await create(
    memory,
    record('one', { requestIdentifier: 'a' }),
    record('two', { requestIdentifier: 'b', namespaces: [] }),
    record('three', { requestIdentifier: 'c', memoryStrategyId: 'none-abcdefghij' }),
    record('four', { requestIdentifier: 'd' }),
  );
  expect(created.successfulRecords?.map(({ requestIdentifier }) => requestIdentifier)).toEqual(['a', 'd']);
  expect(created.failedRecords).toMatchObject([
    { requestIdentifier: 'b', status: 'FAILED', errorCode: 400 },
    { requestIdentifier: 'c', status: 'FAILED', errorCode: 404 },
  ]);
  const known = created.successfulRecords?.[0]?.memoryRecordId as string;
  const unknown = 'mem-00000000-0000-0000-0000-000000000000';
  const change = (memoryRecordId: string, sourceNamespaces?: string[]) => ({
    memoryRecordId,
    timestamp: AT,
    namespaces: ['/archive/alice/'],
    ...(sourceNamespaces && { sourceNamespaces }),
  });
  const updated = await client.send(
    new BatchUpdateMemoryRecordsCommand({ memoryId, records: [change(unknown), change(known, ['/facts/bob/']), change(known)] }),
  );
  expect(updated.failedRecords?.map(({ memoryRecordId, errorCode }) => [memoryRecordId, errorCode])).toEqual([
    [unknown, 404],
    [known, 404],
  ]);
  expect(updated.successfulRecords).toHaveLength(1);
  expect(await texts(memory, { namespace: '/archive/' })).toEqual(['one']);
  const deleted = await client.send(
    new BatchDeleteMemoryRecordsCommand({
      memoryId,
      records: [{ memoryRecordId: known, namespace: '/facts/' }, { memoryRecordId: known }, { memoryRecordId: unknown }],
    }),
  );
  expect([deleted.successfulRecords?.length, deleted.failedRecords?.length]).toEqual([1, 2]);
  await expect(create(memory, record('x'.repeat(16_001)))).rejects.toMatchObject({ name: 'ValidationException' });
});

test('a batch that failed after its effect is written once, whatever the client repeats', async () => {
  const memory = await withMemory({}, { faults: ['error-after=BatchCreateMemoryRecords'], attempts: 3 });
  await expect(create(memory, record('one'), record('two', { requestIdentifier: 'r2' }))).rejects.toThrow();
  expect((await texts(memory, { namespace: '/facts/' })).sort()).toEqual(['one', 'two']);
});

test('the answer to a client token is kept for a day', async () => {
  const memory = await withMemory({}, { attempts: 3 });
  const { memoryId } = memory;
  const again = () =>
    memory.client.send(new data.BatchCreateMemoryRecordsCommand({ memoryId, clientToken: 'token-1', records: [record('one')] }));
  await again();
  await memory.server.clock.advance(86_000_000);
  await again();
  expect(await texts(memory, { namespace: '/facts/' })).toEqual(['one']);
  await memory.server.clock.advance(401_000);
  // what is over goes with the next answer
  await memory.client.send(new data.BatchCreateMemoryRecordsCommand({ memoryId, clientToken: 'token-2', records: [record('two')] }));
  await again();
  expect((await texts(memory, { namespace: '/facts/' })).sort()).toEqual(['one', 'one', 'two']);
});

test('namespace covers what is below it by whole segments, or itself alone by the switch; namespacePath always covers', async () => {
  for (const [namespace, expected] of [
    ['within', ['deep', 'tea']],
    ['exact', ['tea']],
  ] as const) {
    const memory = await withMemory({}, { memory: { namespace } });
    await create(
      memory,
      record('tea'),
      record('deep', { namespaces: ['/facts/alice/work/'] }),
      record('other', { namespaces: ['/facts/alicia/'] }),
    );
    expect((await texts(memory, { namespace: '/facts/alice/' })).sort()).toEqual(expected);
    expect((await texts(memory, { namespacePath: '/facts/alice/' })).sort()).toEqual(['deep', 'tea']);
    expect((await texts(memory, { namespacePath: '/facts/' })).sort()).toEqual(['deep', 'other', 'tea']);
    for (const place of [{}, { namespace: '/a/', namespacePath: '/a/' }, { namespace: '/facts/{actorId}/' }])
      await expect(texts(memory, place)).rejects.toMatchObject({ name: 'ValidationException' });
  }
});

test('records are listed newest first over pages, and a search has topK of them in all', async () => {
  const memory = await withMemory();
  const { client, memoryId } = memory;
  for (let n = 0; n < 9; n++) await create(memory, record(`tea number ${n}`, { timestamp: new Date(AT.getTime() + n) }));
  const newest = [8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => `tea number ${n}`);
  for (const pageSize of [1, 4, 100]) expect(await texts(memory, { namespace: '/facts/' }, pageSize)).toEqual(newest);
  const input = { memoryId, namespace: '/facts/', searchCriteria: { searchQuery: 'tea', topK: 5 } };
  const found: data.MemoryRecordSummary[] = [];
  for await (const page of data.paginateRetrieveMemoryRecords({ client, pageSize: 2 }, input))
    found.push(...(page.memoryRecordSummaries ?? []));
  expect(new Set(found.map(({ memoryRecordId }) => memoryRecordId)).size).toBe(5);
  const scores = found.map(({ score }) => score as number);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
});

test('every operator of a metadata filter, against each record by itself', async () => {
  const memory = await withMemory();
  const random = randomOf(3);
  const pick = <T>(...values: T[]) => values[Math.floor(random() * values.length)] as T;
  type Row = { word?: string; list?: string[]; size?: number; day?: number };
  const rows: Row[] = Array.from({ length: 25 }, () => ({
    ...(random() < 0.7 && { word: pick('a', 'b', 'ab') }),
    ...(random() < 0.7 && { list: pick(['a'], ['b'], ['a', 'b']) }),
    ...(random() < 0.7 && { size: pick(-1, 0, 1.5, 2) }),
    ...(random() < 0.7 && { day: pick(1, 2, 3) }),
  }));
  const dayOf = (day: number) => new Date(AT.getTime() + day * 86_400_000);
  const metadataOf = ({ word, list, size, day }: Row): Record<string, data.MemoryRecordMetadataValue> => ({
    ...(word !== undefined && { word: { stringValue: word } }),
    ...(list && { list: { stringListValue: list } }),
    ...(size !== undefined && { size: { numberValue: size } }),
    ...(day !== undefined && { day: { dateTimeValue: dayOf(day) } }),
  });
  for (const [i, row] of rows.entries()) {
    const metadata = metadataOf(row);
    await create(memory, record(`n${i}`, Object.keys(metadata).length > 0 ? { metadata } : {}));
  }
  const cases: [
    key: keyof Row,
    operator: data.MemoryRecordOperatorType,
    value: data.MemoryRecordMetadataValue | undefined,
    (row: Row) => boolean,
  ][] = [
    ['word', 'EXISTS', undefined, ({ word }) => word !== undefined],
    ['word', 'NOT_EXISTS', undefined, ({ word }) => word === undefined],
    ['word', 'EQUALS_TO', { stringValue: 'a' }, ({ word }) => word === 'a'],
    ['list', 'EQUALS_TO', { stringListValue: ['a', 'b'] }, ({ list }) => list?.join() === 'a,b'],
    ['list', 'CONTAINS', { stringValue: 'a' }, ({ list }) => list?.includes('a') === true],
    ['size', 'EQUALS_TO', { numberValue: 1.5 }, ({ size }) => size === 1.5],
    ['size', 'GREATER_THAN', { numberValue: 0 }, ({ size }) => size !== undefined && size > 0],
    ['size', 'GREATER_THAN_OR_EQUALS', { numberValue: 0 }, ({ size }) => size !== undefined && size >= 0],
    ['size', 'LESS_THAN', { numberValue: 0 }, ({ size }) => size !== undefined && size < 0],
    ['size', 'LESS_THAN_OR_EQUALS', { numberValue: 0 }, ({ size }) => size !== undefined && size <= 0],
    ['day', 'BEFORE', { dateTimeValue: dayOf(2) }, ({ day }) => day !== undefined && day < 2],
    ['day', 'AFTER', { dateTimeValue: dayOf(2) }, ({ day }) => day !== undefined && day > 2],
    ['day', 'EQUALS_TO', { dateTimeValue: dayOf(2) }, ({ day }) => day === 2],
  ];
  const filterOf = ([metadataKey, operator, value]: (typeof cases)[number]): data.MemoryMetadataFilterExpression => ({
    left: { metadataKey },
    operator,
    ...(value && { right: { metadataValue: value } }),
  });
  const expected = (holds: (row: Row) => boolean) => rows.flatMap((row, i) => (holds(row) ? [`n${i}`] : [])).sort();
  for (const one of cases) {
    expect((await texts(memory, { namespace: '/facts/', metadataFilters: [filterOf(one)] })).sort(), one[1]).toEqual(expected(one[3]));
    const other = pick(...cases);
    const both = await texts(memory, { namespace: '/facts/', metadataFilters: [filterOf(one), filterOf(other)] });
    expect(both.sort(), `${one[1]} and ${other[1]}`).toEqual(expected((row) => one[3](row) && other[3](row)));
  }
  const bare = texts(memory, { namespace: '/facts/', metadataFilters: [{ left: { metadataKey: 'size' }, operator: 'GREATER_THAN' }] });
  await expect(bare).rejects.toMatchObject({ name: 'ValidationException' });
});

test('what happens to records is told to the stream of the memory, in order; Updated only for BatchUpdateMemoryRecords', async () => {
  const dataStreamArn = 'arn:aws:kinesis:us-east-1:123456789012:stream/records';
  const memory = await withMemory({
    streamDeliveryResources: {
      resources: [{ kinesis: { dataStreamArn, contentConfigurations: [{ type: 'MEMORY_RECORDS', level: 'FULL_CONTENT' }] } }],
    },
    memoryStrategies: [{ semanticMemoryStrategy: { name: 'facts' } }],
  });
  const { server, client, memoryId } = memory;
  const memoryStrategyId = memory.strategy('facts');
  const memoryRecordId = await idOf(memory, record('Alice likes tea.', { memoryStrategyId, metadata: { lang: { stringValue: 'en' } } }));
  await client.send(
    new BatchUpdateMemoryRecordsCommand({
      memoryId,
      records: [{ memoryRecordId, timestamp: AT, content: { text: 'Alice likes cocoa.' } }],
    }),
  );
  await client.send(new DeleteMemoryRecordCommand({ memoryId, memoryRecordId }));
  const answer = await fetch(`${server.url}/_rondo/streams`, { headers: { authorization: `Bearer ${server.adminToken}` } });
  const streams = (await answer.json()) as Record<string, { sequenceNumber: string; data: { memoryStreamEvent: object } }[]>;
  const records = streams[dataStreamArn] ?? [];
  const eventTime = new Date(server.clock.now()).toISOString();
  const whole = {
    memoryId,
    memoryRecordId,
    namespaces: ['/facts/alice/'],
    createdAt: AT.getTime(),
    memoryStrategyId,
    memoryStrategyType: 'SEMANTIC',
  };
  expect(records.map((one) => one.data.memoryStreamEvent)).toMatchObject([
    { eventType: 'StreamingEnabled', memoryId },
    {
      eventType: 'MemoryRecordCreated',
      eventTime,
      ...whole,
      metadata: { lang: { stringValue: 'en' } },
      memoryRecordText: 'Alice likes tea.',
    },
    { eventType: 'MemoryRecordUpdated', ...whole, memoryRecordText: 'Alice likes cocoa.' },
    { eventType: 'MemoryRecordDeleted', memoryId, memoryRecordId },
  ]);
  expect(records.at(-1)?.data.memoryStreamEvent).not.toHaveProperty('namespaces');
  const numbers = records.map(({ sequenceNumber }) => sequenceNumber);
  expect(numbers).toEqual([...new Set(numbers)].sort());
});
