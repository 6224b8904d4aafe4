import * as data from '@aws-sdk/client-bedrock-agentcore';
import type { MemoryStrategyInput } from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import type { AgentCoreOptions, Bindings } from '../../../src/adapters/agentcore/wire/index.ts';
import { eventually } from '../../kit/time.ts';
import { type WithMemory, withMemory } from './kit.ts';

const MODELS = new URL('../fixtures/models.ts', import.meta.url).pathname;
const FACTS: MemoryStrategyInput = { semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{actorId}/'] } };
const say = (text: string): data.PayloadType => ({ conversational: { role: 'USER', content: { text } } });

const append = async ({ client, memoryId, server }: WithMemory, text: string, input: Partial<data.CreateEventCommandInput> = {}) => {
  const eventTimestamp = new Date(server.clock.now());
  const at = { memoryId, actorId: 'alice', sessionId: 'chat-1', eventTimestamp };
  return (await client.send(new data.CreateEventCommand({ ...at, payload: [say(text)], ...input }))).event as data.Event;
};
const texts = async ({ client, memoryId }: WithMemory, namespace: string) => {
  const { memoryRecordSummaries } = await client.send(new data.ListMemoryRecordsCommand({ memoryId, namespace, maxResults: 100 }));
  return memoryRecordSummaries?.map(({ content }) => content?.text) ?? [];
};
const jobs = async ({ client, memoryId }: WithMemory) =>
  (await client.send(new data.ListMemoryExtractionJobsCommand({ memoryId }))).jobs ?? [];
/** Why a search finds what it finds, as the one who started the server is told. */
async function explained({ server, memoryId }: WithMemory, namespace: string, query: string): Promise<{ notes: string[]; why: string }> {
  const url = `${server.url}/_rondo/memory?${new URLSearchParams({ id: memoryId, namespace, query })}`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${server.adminToken}` } });
  const { notes, explanation } = (await answer.json()) as { notes: string[]; explanation: { why: string } };
  return { notes, why: explanation.why };
}
const bound = (models: Record<string, string>): AgentCoreOptions => ({
  bindings: Object.fromEntries(Object.entries(models).map(([id, name]) => [`model:${id}`, `${MODELS}#${name}`])) as unknown as Bindings,
});

test('without a model, what users say becomes facts, sentence by sentence; SKIP, blobs and other speakers do not', async () => {
  const memory = await withMemory({ memoryStrategies: [FACTS] });
  await append(memory, 'I like green tea. What do you like?', {
    payload: [say('I like green tea. What do you like?'), { conversational: { role: 'ASSISTANT', content: { text: 'I like cocoa.' } } }],
  });
  await append(memory, 'I have a dog.', { extractionMode: 'SKIP' });
  await append(memory, '', { payload: [{ blob: 'I have a cat.' }] });
  await append(memory, 'I live in Lisbon.', { actorId: 'bob' });
  await eventually(async () => expect(await texts(memory, '/facts/bob/')).toEqual(['I live in Lisbon.']));
  await eventually(async () => expect(await texts(memory, '/facts/alice/')).toEqual(['I like green tea.']));
  const { memoryRecordSummaries } = await memory.client.send(
    new data.RetrieveMemoryRecordsCommand({
      memoryId: memory.memoryId,
      namespace: '/facts/alice/',
      searchCriteria: { searchQuery: 'tea' },
    }),
  );
  expect(memoryRecordSummaries).toMatchObject([{ memoryStrategyId: memory.strategy('facts'), namespaces: ['/facts/alice/'] }]);
});

test('an override asks the model that is bound to its id, with its prompt; the others ask the default', async () => {
  const memory = await withMemory(
    {
      memoryStrategies: [
        FACTS,
        { userPreferenceMemoryStrategy: { name: 'prefs', namespaceTemplates: ['/prefs/{actorId}/'] } },
        { summaryMemoryStrategy: { name: 'sums', namespaceTemplates: ['/sums/{actorId}/{sessionId}'] } },
        {
          episodicMemoryStrategy: {
            name: 'episodes',
            namespaceTemplates: ['/e/{actorId}/{sessionId}/'],
            reflectionConfiguration: { namespaceTemplates: ['/e/{actorId}/'] },
          },
        },
        {
          customMemoryStrategy: {
            name: 'trips',
            namespaceTemplates: ['/trips/{actorId}/'],
            configuration: { semanticOverride: { extraction: { appendToPrompt: 'Only what is about travel.', modelId: 'some.model' } } },
          },
        },
      ],
    },
    bound({ default: 'usual', 'some.model': 'traveller' }),
  );
  await append(memory, 'I go to Lisbon.');
  await eventually(async () => expect(await texts(memory, '/trips/alice/')).toEqual(['traveller: Only what is about travel.']));
  await eventually(async () => expect(await texts(memory, '/facts/alice/')).toEqual(['usual: I go to Lisbon.']));
  await eventually(async () => expect(await texts(memory, '/sums/alice/chat-1')).toEqual(['usual: I go to Lisbon.']));
  await eventually(async () =>
    expect((await texts(memory, '/prefs/alice/')).map((text) => JSON.parse(text as string))).toEqual([
      { context: 'said', preference: 'usual: I go to Lisbon.', categories: ['travel'] },
    ]),
  );
  await eventually(async () => expect(await texts(memory, '/e/alice/')).toHaveLength(2));
  expect((await texts(memory, '/e/alice/chat-1/')).join()).toContain('Outcome: arrived');
  expect(await jobs(memory)).toEqual([]);
});

test('a strategy without the model that it needs fails with a job that says so, and the event stays', async () => {
  const memory = await withMemory({ memoryStrategies: [{ userPreferenceMemoryStrategy: { name: 'prefs' } }] });
  const { eventId } = await append(memory, 'I like tea.');
  await eventually(async () => expect(await jobs(memory)).toHaveLength(1));
  expect(await jobs(memory)).toMatchObject([
    {
      status: 'FAILED',
      failureReason: expect.stringContaining('MODEL_MISSING'),
      messages: { messagesList: [{ eventId, messageIndex: 0 }] },
    },
  ]);
  const { notes } = await explained(memory, '/strategies/', 'tea');
  expect(notes).toEqual([expect.stringContaining('bind one as "model:default"')]);
});

test('a failed extraction is listed with the index of its messages, and one that is started again makes the records', async () => {
  const memory = await withMemory({ memoryStrategies: [FACTS] }, bound({ default: 'broken' }));
  const { eventId } = await append(memory, '', { payload: [{ blob: 1 }, say('I like tea.')] });
  await eventually(async () => expect(await jobs(memory)).toHaveLength(1));
  const [job] = await jobs(memory);
  expect(job).toMatchObject({
    status: 'FAILED',
    strategyId: memory.strategy('facts'),
    actorId: 'alice',
    sessionId: 'chat-1',
    failureReason: expect.stringContaining('BROKEN'),
    messages: { messagesList: [{ eventId, messageIndex: 1 }] },
  });
  const start = (jobId: string) =>
    memory.client.send(new data.StartMemoryExtractionJobCommand({ memoryId: memory.memoryId, extractionJob: { jobId } }));
  await expect(start('job-unknown')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  // the fixture is broken once
  expect(await start(job?.jobID as string)).toMatchObject({ jobId: job?.jobID });
  await eventually(async () => expect(await texts(memory, '/facts/alice/')).toEqual(['usual: I like tea.']));
  expect(await jobs(memory)).toEqual([]);
});

test('an event without a value for a variable of a namespace is stored, the strategy is skipped, and explain says so', async () => {
  const memory = await withMemory({
    namespaceKeys: [{ key: 'team', validation: { allowedValues: ['red', 'blue'] } }],
    memoryStrategies: [{ semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{team}/{actorId}/'] } }],
  });
  const { eventId } = await append(memory, 'I like tea.');
  await append(memory, 'I like cocoa.', { extractionConfig: { namespaceVariables: { team: 'red' } } });
  await eventually(async () => expect(await texts(memory, '/facts/')).toEqual(['I like cocoa.']));
  const ref = { memoryId: memory.memoryId, actorId: 'alice', sessionId: 'chat-1', eventId };
  expect((await memory.client.send(new data.GetEventCommand(ref))).event?.eventId).toBe(eventId);
  expect(await jobs(memory)).toEqual([]);
  const { why } = await explained(memory, '/facts/blue/alice/', 'tea');
  expect(why).toContain('skipped 1 event, without a value for {team}');
  await expect(append(memory, 'x', { extractionConfig: { namespaceVariables: { team: 'green' } } })).rejects.toMatchObject({
    name: 'ValidationException',
  });
});

test('data that is ingested is learned from, and is not an event', async () => {
  const memory = await withMemory({ memoryStrategies: [FACTS] });
  const { client, memoryId } = memory;
  const input = {
    memoryId,
    actorId: 'alice',
    contentTimestamp: new Date(memory.server.clock.now()),
    source: { inline: { payload: [{ conversational: { role: 'USER' as const, content: { text: 'I like tea.' } } }] } },
  };
  const { sessionId } = await client.send(new data.IngestDataCommand(input));
  expect(sessionId).toMatch(/^[0-9a-f-]{36}$/);
  await eventually(async () => expect(await texts(memory, '/facts/alice/')).toEqual(['I like tea.']));
  const { events } = await client.send(new data.ListEventsCommand({ memoryId, actorId: 'alice', sessionId }));
  expect(events).toEqual([]);
  const { sessionSummaries } = await client.send(
    new data.ListSessionsCommand({ memoryId, actorId: 'alice', filter: { eventFilter: 'HAS_EVENTS' } }),
  );
  expect(sessionSummaries).toEqual([]);
});

test('sessions with events are found in full pages among those of data that was ingested', async () => {
  const memory = await withMemory();
  const { client, memoryId } = memory;
  const ingest = () =>
    client.send(
      new data.IngestDataCommand({
        memoryId,
        actorId: 'alice',
        contentTimestamp: new Date(memory.server.clock.now()),
        source: { inline: { payload: [{ conversational: { role: 'USER', content: { text: 'I like tea.' } } }] } },
      }),
    );
  for (const sessionId of ['s1', 's2', 's3', 's4']) {
    for (let n = 0; n < 3; n++) await ingest();
    await memory.server.clock.advance(1);
    await append(memory, sessionId, { sessionId });
    await memory.server.clock.advance(1);
  }
  for (let n = 0; n < 3; n++) await ingest();
  const filter = { eventFilter: 'HAS_EVENTS' as const };
  const page = async (nextToken?: string) => {
    const found = await client.send(new data.ListSessionsCommand({ memoryId, actorId: 'alice', filter, maxResults: 2, nextToken }));
    return { ids: found.sessionSummaries?.map(({ sessionId }) => sessionId), nextToken: found.nextToken };
  };
  const first = await page();
  expect(first.ids).toEqual(['s4', 's3']);
  // only sessions without events are left behind them
  expect(await page(first.nextToken)).toEqual({ ids: ['s2', 's1'], nextToken: undefined });
});

test('a strategy that is added reads what comes after, and one that is deleted reads no more', async () => {
  const memory = await withMemory({ memoryStrategies: [FACTS] });
  const { controls, server, memoryId } = memory;
  await append(memory, 'I like tea.');
  await eventually(async () => expect(await texts(memory, '/facts/alice/')).toHaveLength(1));
  const { UpdateMemoryCommand } = await import('@aws-sdk/client-bedrock-agentcore-control');
  await controls.send(
    new UpdateMemoryCommand({
      memoryId,
      memoryStrategies: {
        addMemoryStrategies: [{ semanticMemoryStrategy: { name: 'more', namespaceTemplates: ['/more/{actorId}/'] } }],
        deleteMemoryStrategies: [{ memoryStrategyId: memory.strategy('facts') }],
      },
    }),
  );
  await server.clock.advance(2_000);
  await append(memory, 'I like cocoa.');
  await eventually(async () => expect(await texts(memory, '/more/alice/')).toEqual(['I like cocoa.']));
  expect(await texts(memory, '/facts/alice/')).toEqual(['I like tea.']);
});

test('records that an extraction makes are told to the stream', async () => {
  const dataStreamArn = 'arn:aws:kinesis:us-east-1:123456789012:stream/records';
  const memory = await withMemory({
    streamDeliveryResources: { resources: [{ kinesis: { dataStreamArn, contentConfigurations: [{ type: 'MEMORY_RECORDS' }] } }] },
    memoryStrategies: [FACTS],
  });
  await append(memory, 'I like tea.');
  await eventually(async () => expect(await texts(memory, '/facts/alice/')).toHaveLength(1));
  const url = `${memory.server.url}/_rondo/streams`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${memory.server.adminToken}` } });
  const streams = (await answer.json()) as Record<string, { data: { memoryStreamEvent: object } }[]>;
  const events = streams[dataStreamArn]?.map((one) => one.data.memoryStreamEvent);
  expect(events).toMatchObject([{ eventType: 'StreamingEnabled' }, { eventType: 'MemoryRecordCreated', memoryStrategyType: 'SEMANTIC' }]);
  expect(events?.[1]).not.toHaveProperty('memoryRecordText');
});

const SCHEMA = {
  metadataSchema: [
    {
      key: 'city',
      type: 'STRING' as const,
      extractionConfig: {
        llmExtractionConfig: {
          definition: 'Where they live',
          llmExtractionInstruction: 'LATEST_VALUE',
          validation: { stringValidation: { allowedValues: ['Lisbon', 'Oslo'] } },
        },
      },
    },
    { key: 'visits', type: 'NUMBER' as const, extractionConfig: { llmExtractionConfig: { definition: 'How often they came' } } },
    { key: 'tags', type: 'STRINGLIST' as const },
    { key: 'mood' },
    { key: 'team', type: 'STRING' as const, extractionType: 'STRICTLY_CONSISTENT' as const },
    { key: 'floor', type: 'NUMBER' as const, extractionType: 'STRICTLY_CONSISTENT' as const },
  ],
};
const SCHEMED: MemoryStrategyInput = {
  semanticMemoryStrategy: { ...FACTS.semanticMemoryStrategy, name: 'facts', memoryRecordSchema: SCHEMA },
};
const metadataOf = async ({ client, memoryId }: WithMemory) => {
  const { memoryRecordSummaries } = await client.send(new data.ListMemoryRecordsCommand({ memoryId, namespace: '/facts/' }));
  return memoryRecordSummaries?.map(({ metadata }) => metadata);
};

test('the metadata of a memoryRecordSchema: what the event brings as it is, and what the model finds', async () => {
  const memory = await withMemory({ memoryStrategies: [SCHEMED] }, bound({ default: 'usual' }));
  const event = { metadata: { team: { stringValue: 'red' }, floor: { stringValue: '4' }, other: { stringValue: 'x' } } };
  await append(memory, 'I live in Lisbon.', event);
  await eventually(async () => expect(await metadataOf(memory)).toHaveLength(1));
  const found = { city: { stringValue: 'Lisbon' }, visits: { numberValue: 3 }, tags: { stringListValue: ['home'] } };
  expect(await metadataOf(memory)).toEqual([{ ...found, team: { stringValue: 'red' }, floor: { numberValue: 4 } }]);
  // which a search can ask for
  const { memoryRecordSummaries } = await memory.client.send(
    new data.RetrieveMemoryRecordsCommand({
      ...{ memoryId: memory.memoryId, namespace: '/facts/' },
      searchCriteria: {
        searchQuery: 'Lisbon',
        metadataFilters: [
          { left: { metadataKey: 'visits' }, operator: 'GREATER_THAN', right: { metadataValue: { numberValue: 2 } } },
          { left: { metadataKey: 'team' }, operator: 'EQUALS_TO', right: { metadataValue: { stringValue: 'red' } } },
        ],
      },
    }),
  );
  expect(memoryRecordSummaries).toHaveLength(1);
});

test('a value against its validation is asked for again, and then fails the extraction; without a model nothing is inferred', async () => {
  const oslo = {
    metadataSchema: [
      {
        key: 'city',
        extractionConfig: { llmExtractionConfig: { definition: 'Where', validation: { stringValidation: { allowedValues: ['Oslo'] } } } },
      },
    ],
  };
  const strict: MemoryStrategyInput = {
    semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{actorId}/'], memoryRecordSchema: oslo },
  };
  const wrong = await withMemory({ memoryStrategies: [strict] }, { ...bound({ default: 'usual' }), attempts: 3 });
  await append(wrong, 'I live in Lisbon.');
  await eventually(async () => {
    await wrong.server.clock.advance(10_000);
    // an event that nothing is learned from wakes the extraction
    await append(wrong, 'Nothing.', { extractionMode: 'SKIP' });
    expect((await jobs(wrong))[0]?.failureReason ?? '').toContain('EXTRACTION_INVALID');
  });
  expect(await metadataOf(wrong)).toEqual([]);
  const plain = await withMemory({ memoryStrategies: [SCHEMED] });
  await append(plain, 'I live in Lisbon.', { metadata: { team: { stringValue: 'red' }, floor: { stringValue: 'fourth' } } });
  await eventually(async () => expect(await metadataOf(plain)).toEqual([{ team: { stringValue: 'red' } }]));
  expect((await explained(plain, '/facts/', 'x')).notes.join()).toContain('no metadata is inferred');
});
