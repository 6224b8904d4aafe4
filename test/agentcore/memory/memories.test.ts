import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { movableClock } from '../../../src/adapters/agentcore/wire/index.ts';
import { folder } from '../../kit/folder.ts';
import { started, withMemory } from './kit.ts';

const { CreateMemoryCommand, DeleteMemoryCommand, GetMemoryCommand, ListMemoriesCommand, UpdateMemoryCommand } = control;
const PROMPT = { appendToPrompt: 'Only what is about travel.', modelId: 'anthropic.some-model' };
const NEW = { name: 'support', eventExpiryDuration: 30 };
const FACTS = { semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{actorId}/'] } };

test('a memory is created, becomes active after a while, changes, and is deleted; its name is free then', async () => {
  const { server, controls } = await started();
  const { memory } = await controls.send(new CreateMemoryCommand({ ...NEW, description: 'of the desk', memoryStrategies: [FACTS] }));
  expect(memory).toMatchObject({
    name: 'support',
    status: 'CREATING',
    createdAt: expect.any(Date),
    strategies: [
      {
        name: 'facts',
        type: 'SEMANTIC',
        status: 'CREATING',
        namespaces: ['/facts/{actorId}/'],
        namespaceTemplates: ['/facts/{actorId}/'],
        strategyId: expect.stringMatching(/^facts-[a-zA-Z0-9]{10}$/),
      },
    ],
  });
  const memoryId = memory?.id as string;
  expect(memoryId).toMatch(/^support-[a-zA-Z0-9]{10}$/);
  expect(memory?.arn).toBe(`arn:aws:bedrock-agentcore:us-east-1:123456789012:memory/${memoryId}`);
  await expect(controls.send(new CreateMemoryCommand(NEW))).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining('already exists'),
  });
  await expect(controls.send(new DeleteMemoryCommand({ memoryId }))).rejects.toMatchObject({
    name: 'ValidationException',
    message: 'Memory is in transitional state CREATING. Cannot delete memory.',
  });
  await server.clock.advance(2_000);
  const got = await controls.send(new GetMemoryCommand({ memoryId }));
  expect(got.memory).toMatchObject({ status: 'ACTIVE', description: 'of the desk', strategies: [{ status: 'ACTIVE' }] });
  const bare = await controls.send(new GetMemoryCommand({ memoryId, view: 'without_decryption' }));
  expect(bare.memory?.description).toBeUndefined();

  const updated = await controls.send(new UpdateMemoryCommand({ memoryId, eventExpiryDuration: 60 }));
  expect(updated.memory).toMatchObject({ status: 'UPDATING', eventExpiryDuration: 60, description: 'of the desk' });
  await expect(controls.send(new UpdateMemoryCommand({ memoryId, description: 'again' }))).rejects.toMatchObject({
    message: 'Memory is in transitional state UPDATING. Cannot update memory.',
  });
  await server.clock.advance(2_000);
  const { memories } = await controls.send(new ListMemoriesCommand({}));
  expect(memories).toMatchObject([{ id: memoryId, status: 'ACTIVE' }]);
  expect(await controls.send(new DeleteMemoryCommand({ memoryId }))).toMatchObject({ memoryId, status: 'DELETING' });
  expect((await controls.send(new GetMemoryCommand({ memoryId }))).memory?.status).toBe('DELETING');
  await server.clock.advance(2_000);
  await expect(controls.send(new GetMemoryCommand({ memoryId }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
    message: `Memory not found: ${memoryId}`,
  });
  expect((await controls.send(new ListMemoriesCommand({}))).memories).toEqual([]);
  expect((await controls.send(new CreateMemoryCommand(NEW))).memory?.id).not.toBe(memoryId);
});

test('strategies of all kinds come back as GetMemory has them, with the templates of the service by default', async () => {
  const { controls, memoryId } = await withMemory({
    memoryStrategies: [
      { summaryMemoryStrategy: { name: 'sums' } },
      { userPreferenceMemoryStrategy: { name: 'prefs', namespaces: ['/prefs/{actorId}/'] } },
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
          configuration: { semanticOverride: { extraction: PROMPT, consolidation: PROMPT } },
        },
      },
      {
        customMemoryStrategy: {
          name: 'own',
          configuration: {
            selfManagedConfiguration: {
              invocationConfiguration: { topicArn: 'arn:aws:sns:us-east-1:123456789012:topic', payloadDeliveryBucketName: 'a-bucket' },
              triggerConditions: [{ messageBasedTrigger: { messageCount: 6 } }],
            },
          },
        },
      },
    ],
  });
  const { memory } = await controls.send(new GetMemoryCommand({ memoryId }));
  expect(memory?.strategies?.map(({ name, type, namespaceTemplates }) => [name, type, namespaceTemplates?.[0]])).toEqual([
    ['sums', 'SUMMARIZATION', '/strategies/{memoryStrategyId}/actors/{actorId}/sessions/{sessionId}/'],
    ['prefs', 'USER_PREFERENCE', '/prefs/{actorId}/'],
    ['episodes', 'EPISODIC', '/e/{actorId}/{sessionId}/'],
    ['trips', 'CUSTOM', '/trips/{actorId}/'],
    ['own', 'CUSTOM', '/strategies/{memoryStrategyId}/actors/{actorId}/'],
  ]);
  expect(memory?.strategies?.map(({ configuration }) => configuration)).toMatchObject([
    undefined,
    undefined,
    { type: 'EPISODIC', reflection: { episodicReflectionConfiguration: { namespaceTemplates: ['/e/{actorId}/'] } } },
    {
      type: 'SEMANTIC_OVERRIDE',
      extraction: { customExtractionConfiguration: { semanticExtractionOverride: PROMPT } },
      consolidation: { customConsolidationConfiguration: { semanticConsolidationOverride: PROMPT } },
    },
    {
      type: 'SELF_MANAGED',
      selfManagedConfiguration: { triggerConditions: [{ messageBasedTrigger: { messageCount: 6 } }] },
    },
  ]);
});

test('strategies are added, changed and deleted, each with a status of its own', async () => {
  const { server, controls, memoryId, strategy } = await withMemory({
    memoryStrategies: [
      FACTS,
      { summaryMemoryStrategy: { name: 'sums' } },
      { customMemoryStrategy: { name: 'trips', configuration: { semanticOverride: { extraction: PROMPT } } } },
    ],
  });
  const { memory } = await controls.send(
    new UpdateMemoryCommand({
      memoryId,
      memoryStrategies: {
        addMemoryStrategies: [{ userPreferenceMemoryStrategy: { name: 'prefs' } }],
        modifyMemoryStrategies: [
          { memoryStrategyId: strategy('facts'), description: 'what is so', namespaceTemplates: ['/f/{actorId}/'] },
          {
            memoryStrategyId: strategy('trips'),
            configuration: {
              extraction: { customExtractionConfiguration: { semanticExtractionOverride: { ...PROMPT, modelId: 'another' } } },
            },
          },
        ],
        deleteMemoryStrategies: [{ memoryStrategyId: strategy('sums') }],
      },
    }),
  );
  expect(memory?.strategies?.map(({ name, status }) => [name, status])).toEqual([
    ['facts', 'ACTIVE'],
    ['sums', 'DELETING'],
    ['trips', 'ACTIVE'],
    ['prefs', 'CREATING'],
  ]);
  await server.clock.advance(2_000);
  const { memory: after } = await controls.send(new GetMemoryCommand({ memoryId }));
  expect(after?.strategies?.map(({ name, status }) => [name, status])).toEqual([
    ['facts', 'ACTIVE'],
    ['trips', 'ACTIVE'],
    ['prefs', 'ACTIVE'],
  ]);
  expect(after?.strategies?.[0]).toMatchObject({ description: 'what is so', namespaceTemplates: ['/f/{actorId}/'] });
  expect(after?.strategies?.[1]?.configuration).toMatchObject({
    type: 'SEMANTIC_OVERRIDE',
    extraction: { customExtractionConfiguration: { semanticExtractionOverride: { modelId: 'another' } } },
  });
  const refusedChanges: [control.ModifyMemoryStrategies, string][] = [
    [{ deleteMemoryStrategies: [{ memoryStrategyId: strategy('sums') }] }, 'Cannot delete non-existent memory strategies'],
    [{ modifyMemoryStrategies: [{ memoryStrategyId: 'none-abcdefghij', description: 'x' }] }, 'Cannot modify non-existent'],
    [{ addMemoryStrategies: [FACTS] }, 'already exists'],
    [
      {
        modifyMemoryStrategies: [
          {
            memoryStrategyId: strategy('facts'),
            configuration: { extraction: { customExtractionConfiguration: { semanticExtractionOverride: PROMPT } } },
          },
        ],
      },
      'takes no extraction',
    ],
  ];
  for (const [change, message] of refusedChanges)
    await expect(controls.send(new UpdateMemoryCommand({ memoryId, memoryStrategies: change }))).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining(message),
    });
});

test('indexed keys are only added; keys of namespaces are replaced, and one that is used stays', async () => {
  const { server, controls, memoryId } = await withMemory({
    indexedKeys: [{ key: 'lang', type: 'STRING' }],
    namespaceKeys: [{ key: 'team', validation: { allowedValues: ['red', 'blue'] } }, { key: 'site' }],
    memoryStrategies: [{ semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{team}/{actorId}/'] } }],
  });
  const update = async (input: Partial<control.UpdateMemoryCommandInput>) => {
    const { memory } = await controls.send(new UpdateMemoryCommand({ memoryId, ...input }));
    await server.clock.advance(2_000);
    return memory;
  };
  expect((await update({ addIndexedKeys: [{ key: 'size', type: 'NUMBER' }] }))?.indexedKeys).toEqual([
    { key: 'lang', type: 'STRING' },
    { key: 'size', type: 'NUMBER' },
  ]);
  await expect(update({ addIndexedKeys: [{ key: 'lang', type: 'NUMBER' }] })).rejects.toMatchObject({ name: 'ValidationException' });
  expect((await update({ namespaceKeys: [{ key: 'team' }] }))?.namespaceKeys).toEqual([{ key: 'team' }]);
  await expect(update({ namespaceKeys: [] })).rejects.toMatchObject({ message: expect.stringContaining('team is used') });
  await expect(update({ namespaceKeys: [{ key: 'Team' }] })).rejects.toMatchObject({ reason: 'FieldValidationFailed' });
  await expect(update({ namespaceKeys: [{ key: 'team', validation: { regexPattern: '(' } }] })).rejects.toMatchObject({
    message: expect.stringContaining('regular expression'),
  });
});

test.each([
  ['a variable that has no value', { semanticMemoryStrategy: { name: 'a', namespaceTemplates: ['/a/{team}/'] } }, '{team}'],
  [
    'two names of the namespace that differ',
    { semanticMemoryStrategy: { name: 'a', namespaceTemplates: ['/a/'], namespaces: ['/b/'] } },
    'differ',
  ],
  [
    'reflections that are not above their episodes',
    {
      episodicMemoryStrategy: {
        name: 'a',
        namespaceTemplates: ['/a/{actorId}/'],
        reflectionConfiguration: { namespaceTemplates: ['/b/{actorId}/'] },
      },
    },
    'one above it',
  ],
  ['a custom strategy without a configuration', { customMemoryStrategy: { name: 'a' } }, 'needs a configuration'],
])('%s is refused', async (_, strategy, message) => {
  const { controls } = await started();
  const creating = controls.send(new CreateMemoryCommand({ ...NEW, memoryStrategies: [strategy as control.MemoryStrategyInput] }));
  await expect(creating).rejects.toMatchObject({ name: 'ValidationException', message: expect.stringContaining(message) });
  expect((await controls.send(new ListMemoriesCommand({}))).memories).toEqual([]);
});

test('a clientToken gives the first answer again; a request that failed after its effect makes one memory', async () => {
  const { controls } = await started({ faults: ['error-after=CreateMemory'], attempts: 3 });
  await expect(controls.send(new CreateMemoryCommand(NEW))).rejects.toMatchObject({ name: 'ServiceException' });
  expect((await controls.send(new ListMemoriesCommand({}))).memories).toHaveLength(1);
});

test('a memory has tags', async () => {
  const { controls, arn } = await withMemory({ tags: { team: 'red' } });
  await controls.send(new control.TagResourceCommand({ resourceArn: arn, tags: { stage: 'test' } }));
  expect((await controls.send(new control.ListTagsForResourceCommand({ resourceArn: arn }))).tags).toEqual({ team: 'red', stage: 'test' });
});

test.each([3, 7] as const)('the shortest expiry of events is %i days, as the switch says, also of a change', async (shortestExpiry) => {
  const { controls, memoryId } = await withMemory({ eventExpiryDuration: shortestExpiry }, { memory: { shortestExpiry } });
  const change = (eventExpiryDuration: number) => controls.send(new UpdateMemoryCommand({ memoryId, eventExpiryDuration }));
  await expect(change(shortestExpiry - 1)).rejects.toMatchObject({
    name: 'ValidationException',
    fieldList: [{ name: 'eventExpiryDuration', message: `Member must have value greater than or equal to ${shortestExpiry}` }],
  });
  expect((await change(shortestExpiry)).memory).toMatchObject({ eventExpiryDuration: shortestExpiry });
});

test('the files of a memory go with it, also where the server ended before it was gone', async () => {
  const path = join(folder('memories'), 'state.db');
  const { server, client, controls, memoryId } = await withMemory({}, { state: path });
  const { memory: other } = await controls.send(new CreateMemoryCommand({ ...NEW, name: 'other' }));
  await server.clock.advance(2_000);
  for (const id of [memoryId, other?.id])
    await client.send(
      new data.CreateEventCommand({
        memoryId: id,
        actorId: 'alice',
        eventTimestamp: new Date(server.clock.now()),
        payload: [{ blob: 'x' }],
      }),
    );
  await controls.send(new DeleteMemoryCommand({ memoryId }));
  await server.close();
  expect(readdirSync(`${path}.memories`).sort()).toEqual([`${memoryId}.db`, `${other?.id}.db`].sort());
  const again = await started({ state: path, clock: movableClock({ frozen: true, start: server.clock.now() + 2_000 }) });
  expect((await again.controls.send(new ListMemoriesCommand({}))).memories).toMatchObject([{ id: other?.id }]);
  expect(readdirSync(`${path}.memories`).filter((file) => file.startsWith(memoryId))).toEqual([]);
  expect(await again.client.send(new data.ListActorsCommand({ memoryId: other?.id }))).toMatchObject({ actorSummaries: [{}] });
});
