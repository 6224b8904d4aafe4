import { join } from 'node:path';
import { type Invoke, type LambdaOptions, lambdaTools } from 'rondo/gateway';
import { describe, expect, test } from 'vitest';
import { verified } from '../../../src/adapters/agentcore/wire/sigv4.ts';
import { calling } from '../../gateway/calls.ts';
import { refused } from '../../kit/runs.ts';
import { type Received, reference } from './reference.ts';

const inputSchema = { type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] };
const tools = ['process', 'fails'].map((name) => ({ name, description: `does ${name}`, inputSchema }));
const KEYS = { accessKeyId: 'AKIDLAMBDA', secretAccessKey: 'the-secret-of-lambda', sessionToken: 'the-session-of-lambda' };
const ARN = 'arn:aws:lambda:eu-central-1:123456789012:function:refund';

describe('a handler in this process', () => {
  const file = join(import.meta.dirname, 'handler.mjs');

  test('gets the arguments as its event, and the names that AgentCore sends', async () => {
    const source = lambdaTools({ handler: `${file}#handler`, target: 'Refund', gateway: 'gw-1', tools });
    const { value } = await calling(source, 'process', { amount: 5 });
    expect(value).toEqual({
      name: 'process',
      event: { amount: 5 },
      time: true,
      custom: {
        bedrockAgentCoreMessageVersion: '1.0',
        bedrockAgentCoreAwsRequestId: expect.any(String),
        bedrockAgentCoreMcpMessageId: expect.any(String),
        bedrockAgentCoreGatewayId: 'gw-1',
        bedrockAgentCoreTargetId: 'Refund',
        bedrockAgentCoreToolName: 'Refund___process',
      },
    });
  });

  test('that throws is a failure of which the outcome is unknown, and is not called again', async () => {
    let calls = 0;
    const handler = async () => {
      calls++;
      throw new RangeError('too much');
    };
    const failed = await calling(lambdaTools({ handler, tools }), 'process', { amount: 5 });
    expect(failed.failure).toMatchObject({
      code: 'FUNCTION_ERROR',
      outcome: 'unknown',
      retryable: false,
      message: expect.stringContaining('RangeError: too much'),
    });
    await calling(lambdaTools({ handler, tools, effects: { process: 'idempotent' } }), 'process', { amount: 5 });
    expect(calls).toBe(2);
    const { failure } = await calling(lambdaTools({ handler: `${file}#handler`, tools }), 'fails', { amount: 1 });
    expect(failure.message).toContain('TypeError: the amount is not a number');
  });

  test('gets no arguments that break the schema, and a result is JSON', async () => {
    const handler = async () => ({ when: new Date(0), none: undefined });
    const source = lambdaTools({ handler, tools });
    expect((await calling(source, 'process', { amount: 'x' })).failure).toMatchObject({ code: 'INVALID_ARGUMENTS' });
    expect((await calling(source, 'process', { amount: 1 })).value).toEqual({ when: '1970-01-01T00:00:00.000Z' });
  });

  test('that is not there did not run', async () => {
    for (const handler of [`${file}#other`, `${file}x#handler`])
      expect((await calling(lambdaTools({ handler, tools }), 'process', { amount: 1 })).failure).toMatchObject({
        code: 'LAMBDA_UNAVAILABLE',
        outcome: 'not-run',
      });
  });
});

describe('the function at AWS', () => {
  const at = async (o: Partial<LambdaOptions> = {}) => {
    const service = await reference(['/2015-03-31/functions/:name/invocations']);
    const source = lambdaTools({ function: ARN, endpoint: service.url, keys: () => KEYS, tools, target: 'Refund', ...o });
    return { service, source };
  };

  test('is invoked by a signed request, with the client context', async () => {
    const { service, source } = await at({ qualifier: 'prod' });
    const called = await calling(source, 'process', { amount: 7 });
    const [got] = service.received as [Received];
    expect(got).toMatchObject({ method: 'POST', params: { name: ARN }, query: { Qualifier: 'prod' }, body: { amount: 7 } });
    expect(got.headers['x-amz-invocation-type']).toBe('RequestResponse');
    const context = JSON.parse(Buffer.from(String(got.headers['x-amz-client-context']), 'base64').toString());
    expect(context.custom.bedrockAgentCoreToolName).toBe('Refund___process');
    const url = new URL(got.url, service.url);
    const request = {
      method: 'POST',
      path: url.pathname,
      query: url.searchParams,
      headers: got.headers as Record<string, string>,
      body: Buffer.from('{"amount":7}'),
    };
    expect(verified(request, [KEYS], Date.now(), 'lambda').region).toBe('eu-central-1');
    expect(called.written).not.toContain(KEYS.secretAccessKey);
  });

  test.each([
    [
      { headers: { 'x-amz-function-error': 'Unhandled' }, body: '{"errorType":"Error","errorMessage":"no"}' },
      { code: 'FUNCTION_ERROR', outcome: 'unknown', retryable: false },
    ],
    [
      {
        headers: { 'x-amz-function-error': 'Unhandled' },
        body: '{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 3.00 seconds"}',
      },
      { code: 'TIMEOUT', outcome: 'unknown' },
    ],
    [
      { status: 404, body: '{"Type":"User","Message":"Function not found"}' },
      { code: 'NOT_FOUND', outcome: 'failed' },
    ],
    [
      { status: 429, headers: { 'retry-after': '2' }, body: '{}' },
      { code: 'THROTTLING', outcome: 'not-run', retryAfter: 2_000 },
    ],
    [
      { status: 403, body: '{"Message":"not allowed"}' },
      { code: 'ACCESS_DENIED', outcome: 'failed' },
    ],
    [{ body: 'not json' }, { code: 'BAD_RESPONSE', outcome: 'unknown' }],
  ] as const)('answers %j', async (answer, failure) => {
    const { service, source } = await at({ retry: { attempts: 1 } });
    service.answers.push(answer as never);
    expect((await calling(source, 'process', { amount: 7 })).failure).toMatchObject(failure);
    expect(service.received).toHaveLength(1);
  });
});

test('a call of your own, and options that are wrong', async () => {
  const invoke: Invoke = async ({ event, clientContext }) => ({ payload: [event, clientContext.custom.bedrockAgentCoreToolName ?? null] });
  expect((await calling(lambdaTools({ invoke, tools }), 'process', { amount: 1 })).value).toEqual([{ amount: 1 }, 'lambda___process']);
  await refused('CONFIG_INVALID', () => lambdaTools({ invoke, tools: [] }));
  await refused('CONFIG_INVALID', () => lambdaTools({ tools }));
  await refused('CONFIG_INVALID', () => lambdaTools({ handler: 'handler.mjs', tools }));
  await refused('CONFIG_INVALID', () => lambdaTools({ invoke, handler: async () => 1, tools }));
  await refused('CONFIG_INVALID', () => lambdaTools({ invoke, tools: [...tools, ...tools] }));
  await refused('CONFIG_INVALID', () => lambdaTools({ invoke, tools, effects: { proces: 'read' } }));
});
