/** Requests with a client token that come again after the server was killed between their effect and its reply. */
import { once } from 'node:events';
import { join } from 'node:path';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import { RondoError } from 'rondo';
import { expect, onTestFinished, test } from 'vitest';
import type { Operation } from '../../../src/adapters/agentcore/wire/call.ts';
import { movableClock } from '../../../src/adapters/agentcore/wire/index.ts';
import { replies } from '../../../src/adapters/agentcore/wire/memory/replies.ts';
import type { Stores } from '../../../src/adapters/agentcore/wire/memory/stores.ts';
import { jobOperations } from '../../../src/adapters/agentcore/wire/operations/memory-jobs.ts';
import { openState } from '../../../src/adapters/agentcore/wire/state.ts';
import { folder } from '../../kit/folder.ts';
import { eventually } from '../../kit/time.ts';
import { serving } from '../serving.ts';
import { created, started, withMemory } from './kit.ts';

const TOKEN = 'a-token-of-at-least-thirty-three-characters';
const FACTS = { semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{actorId}/'] } };

async function allOf(client: data.BedrockAgentCoreClient, memoryId: string, namespace: string): Promise<string[]> {
  const found: string[] = [];
  for await (const page of data.paginateListMemoryRecords({ client, pageSize: 100 }, { memoryId, namespace }))
    found.push(...(page.memoryRecordSummaries ?? []).map(({ content }) => content?.text as string));
  return found;
}

test('a batch of records that is retried after a kill -9 in its middle has each record once', async () => {
  const cwd = folder('agentcore');
  const served = await serving(cwd);
  const memoryId = await created(served);
  const texts = Array.from({ length: 100 }, (_, i) => `fact ${i}`);
  const records = texts.map((text, i) => ({ requestIdentifier: `r${i}`, namespaces: ['/n/'], content: { text }, timestamp: new Date() }));
  const batch = new data.BatchCreateMemoryRecordsCommand({ memoryId, records, clientToken: TOKEN });
  const first = new data.BedrockAgentCoreClient(served.options);
  const ended = once(served.child, 'close');
  const sent = first.send(batch).then(
    () => 'answered',
    () => 'broken',
  );
  while ((await allOf(first, memoryId, '/n/')).length === 0);
  served.child.kill('SIGKILL');
  await Promise.all([ended, sent]);
  first.destroy();
  const again = await serving(cwd);
  const client = new data.BedrockAgentCoreClient(again.options);
  const { successfulRecords = [], failedRecords } = await client.send(batch);
  expect([successfulRecords.length, failedRecords]).toEqual([100, []]);
  expect((await allOf(client, memoryId, '/n/')).sort()).toEqual(texts.sort());
  client.destroy();
  again.child.kill('SIGKILL');
});

/** As a kill before the reply was stored leaves it. */
function takeReply(path: string, operation: string, memoryId: string): void {
  const state = openState(path, movableClock());
  const [kind, id] = ['memory-reply', `${operation} ${memoryId} ${TOKEN}`];
  const { answer, ...begun } = state.get<{ answer?: object }>(kind, id) ?? {};
  expect(answer).toBeDefined();
  state.put(kind, id, begun, memoryId);
  state.close();
}

test('data that is ingested again without a reply is the same data, also with another body; an event has tokens of its own', async () => {
  const state = join(folder('ingest'), 'state.db');
  const memory = await withMemory({ memoryStrategies: [FACTS] }, { state });
  const { memoryId } = memory;
  const clock = movableClock({ frozen: true, start: memory.server.clock.now() });
  const payload = (text: string) => [{ conversational: { role: 'USER' as const, content: { text } } }];
  const ingest = async (client: data.BedrockAgentCoreClient, text: string) => {
    const at = { memoryId, actorId: 'alice', contentTimestamp: new Date(clock.now()) };
    const source = { inline: { payload: payload(text) } };
    return (await client.send(new data.IngestDataCommand({ ...at, source, clientToken: TOKEN }))).sessionId;
  };
  const first = await ingest(memory.client, 'I like tea.');
  await eventually(async () => expect(await allOf(memory.client, memoryId, '/facts/alice/')).toEqual(['I like tea.']));
  await memory.server.close();
  for (const text of ['I like tea.', 'I like cocoa.']) {
    takeReply(state, 'IngestData', memoryId);
    const { server, client } = await started({ state, clock });
    expect(await ingest(client, text)).toBe(first);
    await server.close();
  }
  const { client } = await started({ state, clock });
  const { event } = await client.send(
    new data.CreateEventCommand({
      memoryId,
      actorId: 'alice',
      eventTimestamp: new Date(clock.now()),
      payload: payload('x'),
      clientToken: TOKEN,
    }),
  );
  expect(event?.sessionId).not.toBe(first);
  await eventually(async () => expect(await allOf(client, memoryId, '/facts/alice/')).toEqual(expect.arrayContaining(['x'])));
  expect((await allOf(client, memoryId, '/facts/alice/')).sort()).toEqual(['I like tea.', 'x']);
});

test('records that are created with a token are told to the stream once', async () => {
  const dataStreamArn = 'arn:aws:kinesis:us-east-1:123456789012:stream/s';
  const kinesis = { dataStreamArn, contentConfigurations: [{ type: 'MEMORY_RECORDS' as const, level: 'FULL_CONTENT' as const }] };
  const { server, client, memoryId } = await withMemory({ streamDeliveryResources: { resources: [{ kinesis }] } });
  const records = [{ requestIdentifier: 'r', namespaces: ['/n/'], content: { text: 'one' }, timestamp: new Date(server.clock.now()) }];
  for (const clientToken of [TOKEN, TOKEN, undefined])
    await client.send(new data.BatchCreateMemoryRecordsCommand({ memoryId, records, ...(clientToken && { clientToken }) }));
  const response = await fetch(`${server.url}/_rondo/streams`, { headers: { authorization: `Bearer ${server.adminToken}` } });
  const told = ((await response.json()) as Record<string, { data: { memoryStreamEvent: { eventType: string } } }[]>)[dataStreamArn];
  expect(told?.map((one) => one.data.memoryStreamEvent.eventType)).toEqual([
    'StreamingEnabled',
    'MemoryRecordCreated',
    'MemoryRecordCreated',
  ]);
});

test('an extraction that was begun again before a kill has its answer; one that there never was is not found', async () => {
  const clock = movableClock({ frozen: true });
  const state = openState(undefined, clock);
  onTestFinished(() => state.close());
  const failed = new Set(['j1']);
  let killed = true;
  /** A process: it begins an extraction again, and may be killed before it knows. */
  const begin = (jobId: string) => {
    const store = {
      async redeliver(job: string) {
        if (!failed.delete(job)) throw new RondoError('MEMORY_JOB_UNKNOWN', 'There is none.');
        if (killed) await new Promise(() => {});
      },
    };
    const stores = { of: () => ({ memory: { id: 'm' }, store }) } as unknown as Stores;
    const { StartMemoryExtractionJob } = jobOperations(stores, replies({ state, clock }));
    const input = { memoryId: 'm', extractionJob: { jobId }, clientToken: `${TOKEN}-${jobId}` };
    return (StartMemoryExtractionJob as Operation)(input as never, undefined as never) as Promise<object>;
  };
  void begin('j1');
  expect(failed.size).toBe(0);
  killed = false;
  expect(await begin('j1')).toEqual({ jobId: 'j1' });
  for (let n = 0; n < 2; n++) await expect(begin('j2')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});
