import { expect, test } from 'vitest';
import { decode, type Incoming, read } from '../../src/adapters/agentcore/wire/codec/decode.ts';
import { encode } from '../../src/adapters/agentcore/wire/codec/encode.ts';
import { AwsError, encodeError } from '../../src/adapters/agentcore/wire/codec/error.ts';
import { match } from '../../src/adapters/agentcore/wire/codec/match.ts';
import { model, type Operation } from '../../src/adapters/agentcore/wire/model/model.ts';

const named = (name: string) => model().operations.find((operation) => operation.name === name) as Operation;

const sent = (body: unknown, more: Partial<Incoming> = {}): Incoming => ({
  labels: { memoryId: 'demo-abcdefghij' },
  query: new URLSearchParams(),
  headers: {},
  body: typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body)),
  ...more,
});

/** What a request is refused with. */
function refused(run: () => unknown): { name: string; message: string; reason: unknown; fields: unknown; because: unknown } {
  try {
    run();
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    const { name, message, more, because } = error;
    return { name, message, reason: more.reason, fields: more.fieldList, because };
  }
  throw new Error('it was not refused');
}

test('each route is found with its labels still encoded, with and without a slash at its end', () => {
  for (const operation of model().operations) {
    const labels = Object.fromEntries([...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, 'arn%3Aa%2Fb%25c']));
    const path = operation.path.replace(/\{\w+\}/g, 'arn%3Aa%2Fb%25c');
    for (const given of [path, path.endsWith('/') ? path.slice(0, -1) : `${path}/`])
      expect(match(operation.method, given)).toEqual({ operation, labels });
  }
});

test('a path that is not of the model, and one with another method, are not found', () => {
  expect(match('POST', '/')).toBeUndefined();
  expect(match('GET', '/memories/a/b/c/d/e')).toBeUndefined();
  expect(match('PATCH', '/memories/a/events')).toBeUndefined();
  // a slash that is not encoded divides
  expect(match('POST', '/memories/a/b/events')).toBeUndefined();
});

const event = { actorId: 'alice', eventTimestamp: 1_790_000_000.123, payload: [] };

test('a body that cannot be read is told as such, and where', () => {
  const wrong: [string, unknown, string][] = [
    ['not JSON', '{', 'The body is not JSON in UTF-8.'],
    ['a list', [], 'The body is not a JSON object.'],
    ['null', 'null', 'The body is not a JSON object.'],
    ['a number for a text', { ...event, actorId: 1 }, "Value at 'actorId' is not a string."],
    ['a text for a time', { ...event, eventTimestamp: '2026-01-01T00:00:00Z' }, "Value at 'eventTimestamp' is not a time."],
    ['a time out of range', { ...event, eventTimestamp: 1e300 }, "Value at 'eventTimestamp' is not a time."],
    ['an object for a list', { ...event, payload: {} }, "Value at 'payload' is not a list."],
    ['a list for a structure', { ...event, branch: [] }, "Value at 'branch' is not an object."],
    ['a union with no member', { ...event, payload: [{}] }, "Value at 'payload.1.member' has not exactly one of the members of its union."],
    [
      'a union with two',
      { ...event, payload: [{ blob: 1, json: { content: 1 } }] },
      "Value at 'payload.1.member' has not exactly one of the members of its union.",
    ],
  ];
  for (const [what, body, message] of wrong)
    expect(
      refused(() => decode(named('CreateEvent'), sent(body))),
      what,
    ).toEqual({
      name: 'ValidationException',
      message,
      reason: 'CannotParse',
      fields: undefined,
      because: undefined,
    });
  expect(refused(() => read(named('CreateEvent'), sent('', { body: Buffer.from([0x7b, 0xff, 0x7d]) }))).reason).toBe('CannotParse');
});

test('a document that is nested without end is refused, and does not end the process', () => {
  const deep = `{"actorId":"a","eventTimestamp":1,"payload":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  expect(refused(() => decode(named('CreateEvent'), sent(deep))).reason).toBe('CannotParse');
});

test('a time in ISO 8601 and bytes in base64 are taken in no other form', () => {
  const batch = named('StartBatchEvaluation');
  const range = (startTime: unknown) => ({ dataSourceConfig: { cloudWatchLogs: { filterConfig: { timeRange: { startTime } } } } });
  const at = 'dataSourceConfig.cloudWatchLogs.filterConfig.timeRange.startTime';
  expect(read(batch, sent(range('2026-11-29T14:00:00.250Z')))).toEqual(range(new Date('2026-11-29T14:00:00.250Z')));
  expect(read(batch, sent(range('2026-11-29T14:00:00+02:00')))).toEqual(range(new Date('2026-11-29T12:00:00Z')));
  for (const wrong of [1_790_000_000, '29 Nov 2026', '2026-11-29', '2026-13-40T00:00:00Z', '2026-02-30T00:00:00Z', ''])
    expect(refused(() => read(batch, sent(range(wrong)))).message).toBe(`Value at '${at}' is not a time.`);
  const tool = named('InvokeCodeInterpreter');
  const blob = (text: unknown) => ({ arguments: { content: [{ path: 'a', blob: text }] } });
  expect(read(tool, sent(blob('AP8=')))).toMatchObject({ arguments: { content: [{ blob: new Uint8Array([0, 255]) }] } });
  for (const wrong of ['AP8', 'A_8=', 'AP8=AP8=', 'not bytes', 1])
    expect(refused(() => read(tool, sent(blob(wrong)))).message).toBe("Value at 'arguments.content.1.member.blob' is not bytes in base64.");
});

test('labels, queries and headers that are not what they should be', () => {
  const get = named('GetEvent');
  const labels = { memoryId: 'demo-abcdefghij', actorId: 'a', sessionId: 's', eventId: '%zz' };
  expect(refused(() => read(get, sent('', { labels }))).message).toBe("Value at 'eventId' is not encoded as a part of a path.");
  const list = named('ListABTests');
  for (const wrong of ['many', '', ' 5', '0x10', 'Infinity', '1e2'])
    expect(refused(() => read(list, sent('', { labels: {}, query: new URLSearchParams({ maxResults: wrong }) }))).message).toBe(
      "Value at 'maxResults' is not a number.",
    );
  // the first of several
  expect(read(list, sent('', { labels: {}, query: new URLSearchParams('maxResults=5&maxResults=6') }))).toEqual({ maxResults: 5 });
});

test('members that the model does not know are left out, and names of objects are names only', () => {
  const body =
    '{"actorId":"alice","eventTimestamp":0,"payload":[],"more":1,"metadata":{"__proto__":{"stringValue":"x"},"constructor":{"stringValue":"y"}}}';
  const input = decode(named('CreateEvent'), sent(body));
  expect(Object.keys(input)).toEqual(expect.not.arrayContaining(['more']));
  expect(Object.entries(input.metadata as object)).toEqual([
    ['__proto__', { stringValue: 'x' }],
    ['constructor', { stringValue: 'y' }],
  ]);
  expect(({} as { stringValue?: string }).stringValue).toBeUndefined();
});

test('all that is missing is told at once, by its path', () => {
  const got = refused(() => decode(named('CreateEvent'), sent({ payload: [{ conversational: { role: 'USER' } }] })));
  expect(got).toMatchObject({
    message:
      "3 validation errors detected: Value at 'actorId' failed to satisfy constraint: Member must not be null; " +
      "Value at 'eventTimestamp' failed to satisfy constraint: Member must not be null; " +
      "Value at 'payload.1.member.conversational.content' failed to satisfy constraint: Member must not be null",
    reason: 'FieldValidationFailed',
  });
  expect(got.fields).toHaveLength(3);
});

test('a memory that cannot be one is refused in the words of the service', () => {
  expect(refused(() => decode(named('CreateEvent'), sent(event, { labels: { memoryId: 'x' } }))).message).toBe(
    'Invalid memoryId: not a valid memory ID or ARN',
  );
  // the log has the rule
  expect(refused(() => decode(named('CreateEvent'), sent(event, { labels: { memoryId: 'x' } }))).because).toMatch(
    /^2 validation errors detected: Value at 'memoryId' failed to satisfy constraint: Member must have length greater than or equal to 12; /,
  );
  const tooMany = refused(() => decode(named('ListActors'), sent({ maxResults: 101 })));
  expect(tooMany.message).toBe(
    "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100",
  );
  expect(refused(() => decode(named('ListActors'), sent({ maxResults: 2.5 }))).message).toContain('Member must be an integer');
});

test('a length is counted in characters', () => {
  const said = (text: string) => ({ ...event, payload: [{ conversational: { role: 'USER', content: { text } } }] });
  expect(() => decode(named('CreateEvent'), sent(said('🦆'.repeat(100_000))))).not.toThrow();
  expect(refused(() => decode(named('CreateEvent'), sent(said('🦆'.repeat(100_001))))).reason).toBe('FieldValidationFailed');
});

test('an answer that the model does not know is an error of the server', () => {
  expect(() => encode(named('ListActors'), { actorSummaries: [], nextTokn: 'a' })).toThrow('nextTokn');
  expect(() => encode(named('ListActors'), { actorSummaries: [{ actorId: 1 }] })).toThrow('which is a string');
});

const bodyOf = (error: unknown, operation: Operation | undefined) => {
  const { status, headers, body } = encodeError(error, operation);
  return { status, type: headers['x-amzn-errortype'], ...(JSON.parse(body as string) as object) };
};

test('an error has the name that its operation gives it', () => {
  expect(bodyOf(new AwsError('ThrottlingException', 'Rate exceeded'), named('CreateEvent'))).toEqual({
    status: 429,
    type: 'ThrottledException',
    message: 'Rate exceeded',
  });
  expect(bodyOf(new AwsError('ThrottlingException', 'Rate exceeded'), named('InvokeAgentRuntime'))).toMatchObject({
    status: 429,
    type: 'ThrottlingException',
  });
  expect(bodyOf(new AwsError('InternalServerException', 'x'), named('CreateMemory'))).toMatchObject({
    status: 500,
    type: 'ServiceException',
  });
  for (const [name, status] of [
    ['ServiceQuotaExceededException', 402],
    ['RuntimeClientError', 424],
    ['RetryableConflictException', 409],
    ['AccessDeniedException', 403],
    ['ResourceNotFoundException', 404],
  ] as const)
    expect(bodyOf(new AwsError(name, 'x'), named('InvokeAgentRuntime'))).toMatchObject({ status, type: name });
});

test('the message of a fault of the server stays in the server', () => {
  const told = bodyOf(new TypeError('/root/secret'), named('InvokeAgentRuntime'));
  expect(told).toMatchObject({ status: 500, type: 'InternalServerException' });
  expect(JSON.stringify(told)).not.toContain('secret');
});
