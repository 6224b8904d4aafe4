import * as data from '@aws-sdk/client-bedrock-agentcore';
import { expect, test } from 'vitest';
import { randomOf, type WithMemory, withMemory } from './kit.ts';

const { CreateEventCommand, DeleteEventCommand, GetEventCommand, ListActorsCommand, ListEventsCommand, ListSessionsCommand } = data;
const AT = new Date('2026-03-01T12:00:00.123Z');
const TOKEN = 'a-token-of-at-least-thirty-three-characters';
const say = (text: string): data.PayloadType[] => [{ conversational: { role: 'USER', content: { text } } }];

type Input = Partial<data.CreateEventCommandInput>;
const append = async ({ client, memoryId }: WithMemory, input: Input = {}): Promise<data.Event> => {
  const { event } = await client.send(
    new CreateEventCommand({ memoryId, actorId: 'alice', sessionId: 'chat-1', eventTimestamp: AT, payload: say('I like tea'), ...input }),
  );
  return event as data.Event;
};

/** All pages. */
async function listed({ client, memoryId }: WithMemory, input: Partial<data.ListEventsCommandInput> = {}): Promise<data.Event[]> {
  const events: data.Event[] = [];
  const all = { memoryId, actorId: 'alice', sessionId: 'chat-1', ...input };
  for await (const page of data.paginateListEvents({ client }, all)) events.push(...(page.events ?? []));
  return events;
}
const textOf = ({ payload }: data.Event) => payload?.[0]?.conversational?.content?.text;

test('an event comes back as it was put in, with the id of AWS', async () => {
  const memory = await withMemory();
  const payload: data.PayloadType[] = [
    { conversational: { role: 'TOOL', content: { text: 'Grüße, 🌍 "quoted"' } } },
    { json: { content: { k: [1, null, 'ä'] } } },
    { blob: { any: { json: true } } },
  ];
  const metadata = { topic: { stringValue: 'drinks/tea' } };
  const event = await append(memory, { payload, metadata });
  expect(event).toMatchObject({ memoryId: memory.memoryId, actorId: 'alice', sessionId: 'chat-1', eventTimestamp: AT, payload, metadata });
  expect(event.eventId).toMatch(/^0000001772366400123#[0-9a-f]{8}$/);
  expect(event.branch).toBeUndefined();
  const ref = { memoryId: memory.arn, actorId: 'alice', sessionId: 'chat-1', eventId: event.eventId };
  expect((await memory.client.send(new GetEventCommand(ref))).event).toEqual(event);
  expect(await memory.client.send(new DeleteEventCommand(ref))).toMatchObject({ eventId: event.eventId });
  for (const command of [new GetEventCommand(ref), new DeleteEventCommand(ref)])
    await expect(memory.client.send(command as data.GetEventCommand)).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: `Unable to find event with id ${event.eventId}`,
    });
});

test('what was measured on AWS is so here', async () => {
  const memory = await withMemory();
  const { client, memoryId } = memory;
  expect(await listed(memory)).toEqual([]);
  const { eventId } = await append(memory, { payload: [] });
  const { sessionId } = await append(memory, { sessionId: undefined as never, actorId: 'bob' });
  expect(sessionId).toMatch(/^[0-9a-f-]{36}$/);
  const bare = await listed(memory, { includePayloads: false });
  expect(bare.map((event) => event.eventId)).toEqual([eventId]);
  expect(bare[0]).not.toHaveProperty('payload');
  const unknown = `${memoryId.slice(0, -1)}${memoryId.endsWith('x') ? 'y' : 'x'}`;
  for (const [input, message, name] of [
    [{ memoryId: unknown }, `Memory not found: ${unknown}`, 'ResourceNotFoundException'],
    [{ memoryId: 'support' }, 'Invalid memoryId: not a valid memory ID or ARN', 'ValidationException'],
    [
      { maxResults: 101 },
      "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100",
      'ValidationException',
    ],
  ] as const)
    await expect(client.send(new ListEventsCommand({ memoryId, actorId: 'alice', sessionId: 'chat-1', ...input }))).rejects.toMatchObject({
      name,
      message,
    });
});

test('pages are all events once, newest first, as their ids sort, while others append; ties have no order but the one of their ids', async () => {
  const memory = await withMemory();
  const random = randomOf(7);
  const all = new Map<string, string>();
  for (let n = 0; n < 60; n++) {
    const eventTimestamp = new Date(AT.getTime() + Math.floor(random() * 12));
    const event = await append(memory, { eventTimestamp, payload: say(`n${n}`) });
    // two of one millisecond keep it, and only the random end of their ids differs
    expect(event.eventTimestamp).toEqual(eventTimestamp);
    all.set(event.eventId as string, `n${n}`);
    if (random() < 0.2) {
      const [gone] = [...all.keys()].sort();
      await memory.client.send(
        new DeleteEventCommand({ memoryId: memory.memoryId, actorId: 'alice', sessionId: 'chat-1', eventId: gone as string }),
      );
      all.delete(gone as string);
    }
  }
  const order = [...all.keys()].sort().reverse();
  // in one millisecond the order is not that of writing
  const written = [...all.keys()].reverse();
  expect(order).not.toEqual(written);
  for (const pageSize of [1, 7, 100]) {
    const found: data.Event[] = [];
    const input = { memoryId: memory.memoryId, actorId: 'alice', sessionId: 'chat-1' };
    for await (const page of data.paginateListEvents({ client: memory.client, pageSize }, input)) {
      found.push(...(page.events ?? []));
      expect(page.events?.length).toBeLessThanOrEqual(pageSize);
      await append(memory, { eventTimestamp: new Date(AT.getTime() + 1_000 + found.length), payload: say('late') });
    }
    expect(found.map(({ eventId }) => eventId).filter((id) => all.has(id as string))).toEqual(order);
    expect(new Set(found.map(({ eventId }) => eventId)).size).toBe(found.length);
  }
  const page = await memory.client.send(
    new ListEventsCommand({ memoryId: memory.memoryId, actorId: 'alice', sessionId: 'chat-1', maxResults: 5 }),
  );
  await expect(listed(memory, { sessionId: 'chat-2', nextToken: page.nextToken })).rejects.toMatchObject({
    name: 'ValidationException',
    fieldList: [{ name: 'nextToken' }],
  });
});

test('a clientToken gives the first event again, also with another body, and nothing is added', async () => {
  const memory = await withMemory();
  const first = await append(memory, { clientToken: TOKEN });
  expect(await append(memory, { clientToken: TOKEN })).toEqual(first);
  expect(await append(memory, { clientToken: TOKEN, payload: say('something else'), sessionId: 'chat-2' })).toEqual(first);
  expect(await listed(memory)).toEqual([first]);
  expect(await listed(memory, { sessionId: 'chat-2' })).toEqual([]);
});

test.each(['error-after', 'reset'])('the client sends it three times where %s happens, and one event is stored', async (fault) => {
  const memory = await withMemory({}, { faults: [`${fault}=CreateEvent`], attempts: 3 });
  await expect(append(memory)).rejects.toThrow();
  expect(memory.server.calls().filter(({ operation }) => operation === 'CreateEvent').length).toBeGreaterThan(1);
  expect(await listed(memory)).toHaveLength(1);
});

test('a branch is listed alone, or with what it shares', async () => {
  const memory = await withMemory();
  const at = (n: number) => ({ eventTimestamp: new Date(AT.getTime() + n), payload: say(`n${n}`) });
  const root = await append(memory, at(1));
  await append(memory, at(2));
  await append(memory, { ...at(3), branch: { name: 'alt', rootEventId: root.eventId } });
  const again = await append(memory, { ...at(4), branch: { name: 'alt' } });
  expect(again.branch).toEqual({ name: 'alt', rootEventId: root.eventId });
  const line = async (name: string, includeParentBranches?: boolean) =>
    (await listed(memory, { filter: { branch: { name, ...(includeParentBranches !== undefined && { includeParentBranches }) } } })).map(
      textOf,
    );
  expect(await line('alt')).toEqual(['n4', 'n3']);
  expect(await line('alt', true)).toEqual(['n4', 'n3', 'n1']);
  expect(await line('main')).toEqual(['n2', 'n1']);
  expect(await listed(memory)).toHaveLength(4);
});

test('a root of a branch is refused with a reason of its own where it is of another session, and as a field else', async () => {
  const memory = await withMemory();
  const [root, second] = [await append(memory), await append(memory)];
  const other = await append(memory, { sessionId: 'chat-2', actorId: 'bob' });
  await append(memory, { branch: { name: 'known', rootEventId: root.eventId } });
  const refusal = (name: string, rootEventId?: string) =>
    append(memory, { branch: { name, ...(rootEventId !== undefined && { rootEventId }) } }).catch((error) => error as object);
  const OTHER = { name: 'ValidationException', reason: 'EventInOtherSession' };
  const FIELD = { name: 'ValidationException', reason: 'FieldValidationFailed', fieldList: [{ name: 'branch.rootEventId' }] };
  for (const name of ['new', 'known']) {
    expect(await refusal(name, other.eventId), name).toMatchObject(OTHER);
    expect(await refusal(name, '0000000000000000001#00000000'), name).toMatchObject(FIELD);
  }
  expect(await refusal('known', second.eventId)).toMatchObject(FIELD);
  expect(await refusal('new')).toMatchObject(FIELD);
});

test('whether an event of the main line names it is a switch', async () => {
  const memory = await withMemory({}, { memory: { mainBranch: 'named' } });
  expect((await append(memory)).branch).toEqual({ name: 'main' });
  expect((await append(memory, { branch: { name: 'main' } })).branch).toEqual({ name: 'main' });
});

test('filters of metadata', async () => {
  const memory = await withMemory();
  for (const [i, metadata] of [
    { topic: { stringValue: 'tea' }, mood: { stringValue: '' } },
    { topic: { stringValue: 'cake' } },
    {},
  ].entries())
    await append(memory, { payload: say('abc'[i] as string), metadata: metadata as Record<string, data.MetadataValue> });
  const found = async (...eventMetadata: data.EventMetadataFilterExpression[]) =>
    (await listed(memory, { filter: { eventMetadata } })).map(textOf).sort().join('');
  const left = { metadataKey: 'topic' };
  expect(await found({ left, operator: 'EQUALS_TO', right: { metadataValue: { stringValue: 'tea' } } })).toBe('a');
  expect(await found({ left, operator: 'EXISTS' })).toBe('ab');
  expect(await found({ left, operator: 'NOT_EXISTS' })).toBe('c');
  expect(await found({ left, operator: 'EXISTS' }, { left: { metadataKey: 'mood' }, operator: 'NOT_EXISTS' })).toBe('b');
  await expect(found({ left, operator: 'EQUALS_TO' })).rejects.toMatchObject({ name: 'ValidationException' });
});

test('events expire by the setting that held when they were written', async () => {
  // the client signs again, by the time of the server
  const memory = await withMemory({ eventExpiryDuration: 3 }, { attempts: 2 });
  const day = 86_400_000;
  await append(memory);
  await memory.server.clock.advance(3 * day - 1);
  expect(await listed(memory)).toHaveLength(1);
  await memory.server.clock.advance(1);
  expect(await listed(memory)).toHaveLength(0);
  const { actorSummaries } = await memory.client.send(new ListActorsCommand({ memoryId: memory.memoryId }));
  expect(actorSummaries).toEqual([]);
});

test('actors and sessions are listed over pages', async () => {
  const memory = await withMemory();
  const { client, memoryId } = memory;
  for (const actorId of ['alice', 'team/bob', 'carol:x'])
    for (const sessionId of ['s1', 's2', 's3']) await append(memory, { actorId, sessionId });
  const actors: (string | undefined)[] = [];
  for await (const page of data.paginateListActors({ client, pageSize: 2 }, { memoryId }))
    actors.push(...(page.actorSummaries ?? []).map(({ actorId }) => actorId));
  expect(actors.sort()).toEqual(['alice', 'carol:x', 'team/bob']);
  const sessions: (string | undefined)[] = [];
  for await (const page of data.paginateListSessions({ client, pageSize: 2 }, { memoryId, actorId: 'team/bob' }))
    sessions.push(...(page.sessionSummaries ?? []).map(({ sessionId }) => sessionId));
  expect(sessions.sort()).toEqual(['s1', 's2', 's3']);
  const { sessionSummaries } = await client.send(
    new ListSessionsCommand({ memoryId, actorId: 'alice', filter: { eventFilter: 'HAS_EVENTS' } }),
  );
  expect(sessionSummaries).toHaveLength(3);
});

test('five events a second of a conversation, ten of other data, by the clock of the server', async () => {
  const memory = await withMemory({}, { throttle: true });
  for (let n = 0; n < 5; n++) await append(memory);
  await expect(append(memory)).rejects.toMatchObject({ name: 'ThrottledException', $metadata: { httpStatusCode: 429 } });
  await append(memory, { sessionId: 'chat-2' });
  await append(memory, { actorId: 'bob' });
  await memory.server.clock.advance(200);
  await append(memory);
  await expect(append(memory)).rejects.toMatchObject({ name: 'ThrottledException' });
  for (let n = 0; n < 10; n++) await append(memory, { sessionId: 'chat-3', payload: [{ blob: n }] });
  await expect(append(memory, { sessionId: 'chat-3', payload: [{ blob: 1 }] })).rejects.toMatchObject({ name: 'ThrottledException' });
  expect(await listed(memory)).toHaveLength(6);
});

test.each([
  ['a message of 100,001 characters', { payload: say('x'.repeat(100_001)) }],
  ['data of more than 100 KB', { payload: [{ json: { content: 'x'.repeat(103_000) } }] as data.PayloadType[] }],
  ['101 messages', { payload: Array.from({ length: 101 }, () => say('x')[0] as data.PayloadType) }],
  ['a role that there is not', { payload: [{ conversational: { role: 'SYSTEM' as never, content: { text: 'x' } } }] }],
  ['an actor with a blank', { actorId: 'a b' }],
  ['a metadata value with a comma', { metadata: { a: { stringValue: 'x,y' } } }],
  ['a branch that is new, without its root', { branch: { name: 'alt' } }],
  ['a variable that the memory does not have', { extractionConfig: { namespaceVariables: { team: 'red' } } }],
] as const)('%s is refused, and nothing is stored', async (_, input) => {
  const memory = await withMemory();
  await expect(append(memory, input as Input)).rejects.toMatchObject({ name: 'ValidationException', $metadata: { httpStatusCode: 400 } });
  expect(await listed(memory)).toEqual([]);
});

test('a memory that is being made or deleted takes no events, and one that is deleted has none for the next of its name', async () => {
  const memory = await withMemory();
  await append(memory);
  const { DeleteMemoryCommand } = await import('@aws-sdk/client-bedrock-agentcore-control');
  await memory.controls.send(new DeleteMemoryCommand({ memoryId: memory.memoryId }));
  await expect(append(memory)).rejects.toMatchObject({ message: 'Memory is in transitional state DELETING.' });
  await memory.server.clock.advance(2_000);
  await expect(append(memory)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test('a reset forgets how many calls there were', async () => {
  const { server, client } = await withMemory({}, { throttle: true });
  const list = (memoryId: string) => client.send(new ListActorsCommand({ memoryId }));
  const missing = { name: 'ResourceNotFoundException' };
  for (let n = 0; n < 20; n++) await expect(list('none-abcdefghij')).rejects.toMatchObject(missing);
  await expect(list('none-abcdefghij')).rejects.toMatchObject({ name: 'ThrottledException' });
  await fetch(`${server.url}/_rondo/reset`, { method: 'POST', headers: { authorization: `Bearer ${server.adminToken}` } });
  await expect(list('none-abcdefghij')).rejects.toMatchObject(missing);
});
