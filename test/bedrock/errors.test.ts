import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import type { Outcome } from '../../src/errors.ts';
import { fails, http1Client } from '../wire/bedrock.ts';
import type { Reply } from '../wire/server.ts';
import { ask, ID, MODES, machine, rejection, request, wire } from './setup.ts';

const w = wire();
type Expected = [code: string, retryable: boolean, outcome: Outcome, says: RegExp];

const answers: [string, Reply, Expected][] = [
  [
    'throttled',
    fails('ThrottlingException', 'Too many requests, please wait before trying again.'),
    ['THROTTLING', true, 'not-run', /Slow down/],
  ],
  [
    'tokens of a minute',
    fails('ThrottlingException', 'Too many tokens, please wait before trying again.'),
    ['THROTTLING', true, 'not-run', /quota/],
  ],
  [
    'tokens of a day',
    fails('ThrottlingException', 'Too many tokens per day, please wait before trying again.'),
    ['QUOTA_EXCEEDED', false, 'not-run', /Service Quotas/],
  ],
  ['a quota', fails('ServiceQuotaExceededException', 'Quota reached'), ['QUOTA_EXCEEDED', false, 'not-run', /Quota reached\. Raise it/]],
  ['not ready', fails('ModelNotReadyException', 'Model is not ready'), ['SERVICE_UNAVAILABLE', true, 'not-run', /not ready/]],
  ['unavailable', fails('ServiceUnavailableException', 'Too many connections'), ['SERVICE_UNAVAILABLE', true, 'failed', /Try again/]],
  ['internal', fails('InternalServerException', 'oops'), ['INTERNAL_ERROR', true, 'failed', /oops/]],
  [
    'the model failed',
    fails('ModelErrorException', 'The system encountered an unexpected error'),
    ['INTERNAL_ERROR', true, 'failed', /unexpected/],
  ],
  ['the model was too slow', fails('ModelTimeoutException', 'Model timed out'), ['TIMEOUT', true, 'unknown', /maxTokens/]],
  [
    'refused',
    fails('ValidationException', 'temperature is deprecated for this model'),
    ['VALIDATION', false, 'not-run', /temperature is deprecated/],
  ],
  [
    'an invalid id',
    fails('ValidationException', 'The provided model identifier is invalid.'),
    ['MODEL_NOT_FOUND', false, 'not-run', /inference profile/],
  ],
  [
    'no such model here',
    fails('ResourceNotFoundException', 'Could not resolve the foundation model from the provided model identifier.'),
    ['MODEL_NOT_FOUND', false, 'not-run', /Check the id and the region/],
  ],
  [
    'a model that needs a profile',
    fails(
      'ValidationException',
      "Invocation of model ID x with on-demand throughput isn't supported. Retry your request with the ID or ARN of an inference profile.",
    ),
    ['MODEL_NOT_FOUND', false, 'not-run', /such as "us\./],
  ],
  [
    'no access',
    fails('AccessDeniedException', "You don't have access to the model with the specified model ID."),
    ['ACCESS_DENIED', false, 'not-run', /Enable the model/],
  ],
  [
    'a form not filled in',
    fails('ResourceNotFoundException', 'Model use case details have not been submitted for this account.'),
    ['ACCESS_DENIED', false, 'not-run', /form/],
  ],
  ...['ExpiredTokenException', 'UnrecognizedClientException', 'InvalidSignatureException'].map((name): [string, Reply, Expected] => [
    name,
    fails(name, 'The security token included in the request is wrong.', { status: 403 }),
    ['UNAUTHENTICATED', false, 'not-run', /aws sso login/],
  ]),
  ...[
    'Input is too long for requested model.',
    'The model returned the following errors: prompt is too long: 903884 tokens > 200000 maximum',
    'The model returned the following errors: input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000',
    "This model's maximum context length is 131072 tokens. Please reduce the length of the prompt",
    'too many total text bytes: 10 > 9',
  ].map((message): [string, Reply, Expected] => [
    message,
    fails('ValidationException', message),
    ['CONTEXT_TOO_LONG', false, 'not-run', /larger context/],
  ]),
  [
    'more output than the model has is not a long conversation',
    fails('ValidationException', 'The maximum tokens you requested exceeds the model limit of 8192. Try again with a lower value.'),
    ['VALIDATION', false, 'not-run', /8192/],
  ],
  ['a gateway: 429', { status: 429, body: '<html>' }, ['THROTTLING', true, 'not-run', /./]],
  ['a gateway: 502', { status: 502, body: '<html>' }, ['SERVICE_UNAVAILABLE', true, 'unknown', /./]],
  ['a gateway: 503', { status: 503, body: '' }, ['SERVICE_UNAVAILABLE', true, 'failed', /./]],
  ['a gateway: 504', { status: 504, body: '' }, ['TIMEOUT', true, 'unknown', /./]],
  ['a gateway: 500', { status: 500, body: 'x' }, ['INTERNAL_ERROR', true, 'failed', /./]],
  ['a gateway: 424', { status: 424, body: 'x' }, ['INTERNAL_ERROR', true, 'failed', /./]],
  ['a gateway: 403', { status: 403, body: '<html>' }, ['ACCESS_DENIED', false, 'not-run', /./]],
  ['a gateway: 404', { status: 404, body: '<html>' }, ['MODEL_NOT_FOUND', false, 'not-run', /./]],
  ['a gateway: 413', { status: 413, body: '<html>' }, ['VALIDATION', false, 'not-run', /./]],
  ['the connection goes', { destroy: true }, ['NETWORK', true, 'unknown', /network/]],
];

describe.each(MODES)('%s', (mode) => {
  test.each(answers)('%s', async (_, reply, [code, retryable, outcome, says]) => {
    w.server.next(reply);
    const error = await rejection(ask(bedrock(ID, { endpoint: w.server.url }), request(), mode));
    expect(error).toMatchObject({ code, retryable, outcome });
    expect(error.message).toMatch(says);
    // one line, whatever the SDK says of hidden fields
    expect(error.message).not.toMatch(/\n|\$response/);
    expect(error.cause).toBeInstanceOf(Error);
    expect(w.server.calls).toHaveLength(1);
  });

  test('an unknown id, as the service refuses it', async () => {
    const error = await rejection(ask(bedrock('unknown.model', { endpoint: w.server.url }), request(), mode));
    expect(error).toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringMatching(/"unknown\.model".*Check the id and the region/),
    });
  });

  test('how long to wait, where the service says so', async () => {
    for (const [value, wait] of [
      ['2', 2000],
      ['0.5', 500],
    ] as const) {
      w.server.next(fails('ThrottlingException', 'slow', { headers: { 'retry-after': value } }));
      expect((await rejection(ask(bedrock(ID, { endpoint: w.server.url }), request(), mode))).retryAfter).toBe(wait);
    }
    w.server.next(fails('ThrottlingException', 'slow'));
    expect((await rejection(ask(bedrock(ID, { endpoint: w.server.url }), request(), mode))).retryAfter).toBeUndefined();
  });

  test('the SDK tries once, whatever the environment says', async () => {
    machine({ AWS_MAX_ATTEMPTS: '4', AWS_RETRY_MODE: 'adaptive' });
    // an address of its own, so a client of its own
    const endpoint = `${w.server.url}/?once=${mode}`;
    const replies = [fails('ServiceUnavailableException'), fails('ThrottlingException'), { destroy: true } as const];
    if (mode === 'stream') replies.push({ events: [{ exception: 'throttlingException', message: 'x' }] } as never);
    for (const [i, reply] of replies.entries()) {
      w.server.next(reply);
      await rejection(ask(bedrock(ID, { endpoint }), request(), mode));
      expect(w.server.calls).toHaveLength(i + 1);
    }
    expect(w.server.calls[0]?.headers['amz-sdk-request']).toBe('attempt=1; max=1');
  });

  test('a failure that no one knows keeps its cause', async () => {
    const cause = new Error('odd');
    const client = { send: () => Promise.reject(cause) } as never;
    const error = await rejection(ask(bedrock(ID, { client }), request(), mode));
    expect(error).toMatchObject({
      code: 'MODEL_FAILED',
      retryable: false,
      outcome: 'failed',
      cause,
      message: expect.stringContaining('odd'),
    });
  });

  test('a silence that the SDK gives up on', async () => {
    const cause = Object.assign(new Error('Stream timed out because of no activity for 5 ms'), { name: 'TimeoutError' });
    const client = { send: () => Promise.reject(cause) } as never;
    expect(await rejection(ask(bedrock(ID, { client }), request(), mode))).toMatchObject({
      code: 'TIMEOUT',
      retryable: true,
      outcome: 'unknown',
    });
  });

  test('no credentials', async () => {
    machine({ AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined });
    const error = await rejection(ask(bedrock(ID, { endpoint: `${w.server.url}/?anonymous=${mode}` }), request(), mode));
    expect(error).toMatchObject({ code: 'CREDENTIALS_MISSING', outcome: 'not-run', retryable: false });
    for (const way of ['AWS_ACCESS_KEY_ID', 'AWS_PROFILE', 'aws sso login', 'AWS_BEARER_TOKEN_BEDROCK', 'role'])
      expect(error.message).toContain(way);
    expect(w.server.calls).toHaveLength(0);
  });

  test('no region', async () => {
    machine({ AWS_REGION: undefined });
    const error = await rejection(ask(bedrock(ID, { endpoint: `${w.server.url}/?nowhere=${mode}` }), request(), mode));
    expect(error).toMatchObject({
      code: 'REGION_MISSING',
      outcome: 'not-run',
      retryable: false,
      message: expect.stringContaining('AWS_REGION'),
    });
  });

  test('no one listens', async () => {
    const port = await freePort();
    for (const model of [
      bedrock(ID, { endpoint: `http://127.0.0.1:${port}` }),
      bedrock(ID, { client: http1Client(`http://127.0.0.1:${port}`) }),
    ]) {
      const error = await rejection(ask(model, request(), mode));
      expect(error).toMatchObject({
        code: 'NETWORK',
        outcome: 'not-run',
        retryable: true,
        message: expect.stringContaining('ECONNREFUSED'),
      });
    }
  });

  test('no such host', async () => {
    const error = await rejection(ask(bedrock(ID, { endpoint: 'http://bedrock.invalid' }), request(), mode));
    expect(error).toMatchObject({ code: 'NETWORK', outcome: 'not-run', retryable: true, message: expect.stringContaining('endpoint') });
  });
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
