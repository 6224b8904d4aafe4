import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import {
  AccessDeniedException,
  BedrockRuntimeClient,
  BedrockRuntimeServiceException,
  ConverseCommand,
  ModelErrorException,
  ModelNotReadyException,
  ModelStreamErrorException,
  ModelTimeoutException,
  ServiceQuotaExceededException,
  ThrottlingException,
  ValidationException,
} from '@aws-sdk/client-bedrock-runtime';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { RondoError, ToolError } from '../../src/errors.ts';
import { classify, MAX_MESSAGE } from '../../src/reliability/classify.ts';

const short = (error: unknown) => {
  const { code, retryable, outcome, fault } = classify(error);
  return `${code} ${retryable ? 'retry' : 'stop'} ${outcome} ${fault}`;
};
const node = (code: string, more: object = {}) => Object.assign(new Error(code), { code, ...more });

describe('ToolError', () => {
  it('is classified by its own fields', () => {
    const error = new ToolError('SOLD_OUT', 'none left', { outcome: 'not-run', retryAfter: 2_000 });
    expect(classify(error)).toEqual({
      code: 'SOLD_OUT',
      message: 'none left',
      retryable: true,
      outcome: 'not-run',
      retryAfter: 2_000,
      fault: 'service',
    });
  });

  it('is a fault of the service only where it is retryable, or its code is one of the service', () => {
    expect(short(new ToolError('NO_SUCH_ORDER', 'x'))).toBe('NO_SUCH_ORDER stop failed caller');
    expect(short(new ToolError('HALF_DONE', 'x', { outcome: 'unknown' }))).toBe('HALF_DONE stop unknown none');
    expect(short(new ToolError('SERVICE_UNAVAILABLE', 'x'))).toBe('SERVICE_UNAVAILABLE stop failed service');
    expect(short(new ToolError('VALIDATION', 'x', { retryable: true }))).toBe('VALIDATION retry failed caller');
  });

  it('of another copy of the package counts too, and invalid fields of it are ignored', () => {
    const other = Object.assign(new Error('x'), { name: 'ToolError', code: 'BUSY', outcome: 'not-run', retryable: true, retryAfter: 5 });
    expect(classify(other)).toMatchObject({ code: 'BUSY', outcome: 'not-run', retryable: true, retryAfter: 5 });
    const forever = new ToolError('BUSY', 'x', { retryable: true, retryAfter: Number.POSITIVE_INFINITY });
    expect(classify(forever).retryAfter).toBe(Number.MAX_SAFE_INTEGER);
    const odd = Object.assign(new Error('x'), { name: 'ToolError', code: 7, outcome: 'perhaps', retryable: 'yes', retryAfter: Number.NaN });
    expect(classify(odd)).toEqual({ code: 'TOOL_FAILED', message: 'x', retryable: false, outcome: 'unknown', fault: 'none' });
  });

  it('a subclass counts too, also of another copy and under a name of its own', () => {
    class PaymentError extends ToolError {
      override name = 'PaymentError';
    }
    expect(short(new PaymentError('NO_FUNDS', 'x'))).toBe('NO_FUNDS stop failed caller');
    const other = Object.assign(new Error('x'), new PaymentError('BUSY', 'x', { outcome: 'not-run', retryable: true }));
    expect(other).not.toBeInstanceOf(ToolError);
    expect(short(other)).toBe('BUSY retry not-run service');
  });

  it('inside another error proves nothing about that one', () => {
    const own = new ToolError('BUSY', 'x', { outcome: 'not-run', retryable: true });
    expect(short(new Error('y', { cause: own }))).toBe('TOOL_FAILED stop unknown none');
    expect(short(new AggregateError([own, own]))).toBe('TOOL_FAILED stop unknown none');
  });

  it('an engine error keeps its code, and proves nothing about what was done before it', () => {
    expect(short(new RondoError('RUN_BUSY', 'x'))).toBe('RUN_BUSY stop unknown none');
  });
});

describe('AWS', () => {
  const aws = (httpStatusCode: number) => ({ message: 'said AWS', $metadata: { httpStatusCode } });
  it.each([
    [new ThrottlingException(aws(429)), 'THROTTLING retry not-run service'],
    [new ServiceQuotaExceededException(aws(400)), 'QUOTA_EXCEEDED stop failed none'],
    [new ModelNotReadyException(aws(429)), 'SERVICE_UNAVAILABLE retry not-run service'],
    [new ModelTimeoutException(aws(408)), 'TIMEOUT retry unknown service'],
    [new ModelErrorException(aws(424)), 'INTERNAL_ERROR retry failed service'],
    [new ModelStreamErrorException(aws(424)), 'STREAM_ERROR retry unknown service'],
    [new ValidationException(aws(400)), 'VALIDATION stop failed caller'],
    [new AccessDeniedException(aws(403)), 'ACCESS_DENIED stop failed caller'],
    [
      new BedrockRuntimeServiceException({ name: 'NewException', $fault: 'server', ...aws(503) }),
      'SERVICE_UNAVAILABLE retry unknown service',
    ],
    [new BedrockRuntimeServiceException({ name: 'NewException', $fault: 'client', ...aws(404) }), 'NOT_FOUND stop failed caller'],
    [Object.assign(new Error('x'), { name: 'Odd', $retryable: { throttling: true } }), 'THROTTLING retry not-run service'],
    [Object.assign(new Error('x'), { name: 'Odd', $retryable: {}, $metadata: { httpStatusCode: 400 } }), 'VALIDATION retry failed caller'],
    [Object.assign(new Error('x'), { code: 'ThrottlingException' }), 'THROTTLING retry not-run service'],
    [Object.assign(new Error('x'), { name: 'ProvisionedThroughputExceededException' }), 'THROTTLING retry not-run service'],
    [Object.assign(new Error('x'), { name: 'InternalServerException' }), 'INTERNAL_ERROR retry unknown service'],
    [Object.assign(new Error('x'), { name: 'ResourceNotFoundException' }), 'NOT_FOUND stop unknown caller'],
    [Object.assign(new Error('x'), { name: 'ExpiredTokenException' }), 'UNAUTHENTICATED stop unknown caller'],
    [Object.assign(new Error('x'), { name: 'CredentialsProviderError' }), 'UNAUTHENTICATED stop unknown caller'],
    [Object.assign(new Error('x'), { name: 'ConditionalCheckFailedException' }), 'CONFLICT stop unknown caller'],
    [Object.assign(new Error('x'), { name: 'ConditionalCheckFailedException', ...aws(400) }), 'CONFLICT stop failed caller'],
    [Object.assign(new Error('x'), { name: 'ConflictException', ...aws(409) }), 'CONFLICT stop unknown caller'],
    [Object.assign(new Error('x'), { name: 'TransactionInProgressException', ...aws(400) }), 'CONFLICT stop unknown caller'],
    [Object.assign(new Error('x'), { name: 'AccessDeniedException', ...aws(500) }), 'ACCESS_DENIED stop unknown caller'],
    [Object.assign(new Error('x'), { name: 'RequestTimeout', ...aws(400) }), 'TIMEOUT retry unknown service'],
    [Object.assign(new Error('x'), { name: 'SlowDown', ...aws(503) }), 'THROTTLING retry not-run service'],
    // of a library that checks values, not of a service
    [Object.assign(new Error('x'), { name: 'ValidationError' }), 'VALIDATION stop unknown caller'],
  ])('%s', (error, expected) => {
    expect(short(error)).toBe(expected);
  });

  it('reads retryAfterSeconds and the headers of its response', () => {
    const modelled = Object.assign(new ThrottlingException(aws(429)), { retryAfterSeconds: 3 });
    expect(classify(modelled).retryAfter).toBe(3_000);
    const header = Object.assign(new ThrottlingException(aws(429)), { $response: { headers: { 'Retry-After': '7' } } });
    expect(classify(header).retryAfter).toBe(7_000);
    const ms = Object.assign(new ThrottlingException(aws(429)), { $response: { headers: { 'x-amz-retry-after': '250' } } });
    expect(classify(ms).retryAfter).toBe(250);
  });

  it('the client of Bedrock, with no one at the other end', async () => {
    const { url, close } = await server((_, res) => res.end());
    await close();
    const client = new BedrockRuntimeClient({
      endpoint: url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      maxAttempts: 1,
    });
    const error = await client.send(new ConverseCommand({ modelId: 'm', messages: [] })).catch((e) => e);
    client.destroy();
    expect(short(error)).toBe('NETWORK retry not-run service');
  });
});

describe('HTTP', () => {
  const statuses = Object.entries({
    400: 'VALIDATION stop failed caller',
    401: 'UNAUTHENTICATED stop failed caller',
    402: 'QUOTA_EXCEEDED stop failed none',
    403: 'ACCESS_DENIED stop failed caller',
    404: 'NOT_FOUND stop failed caller',
    408: 'TIMEOUT retry unknown service',
    409: 'CONFLICT stop unknown caller',
    410: 'NOT_FOUND stop failed caller',
    412: 'CONFLICT stop failed caller',
    418: 'VALIDATION stop failed caller',
    422: 'VALIDATION stop failed caller',
    424: 'INTERNAL_ERROR retry failed service',
    425: 'TOO_EARLY retry failed none',
    429: 'THROTTLING retry not-run service',
    500: 'INTERNAL_ERROR retry unknown service',
    501: 'INTERNAL_ERROR stop unknown service',
    502: 'SERVICE_UNAVAILABLE retry unknown service',
    503: 'SERVICE_UNAVAILABLE retry unknown service',
    504: 'TIMEOUT retry unknown service',
    529: 'INTERNAL_ERROR retry unknown service',
  });
  it.each(statuses)('%s: %s', (status, expected) => {
    const n = Number(status);
    expect(short(Object.assign(new Error('x'), { status: n }))).toBe(expected);
    expect(short(Object.assign(new Error('x'), { statusCode: n }))).toBe(expected);
    expect(short(Object.assign(new Error('x'), { code: 'ERR_BAD_RESPONSE', response: { status: n } }))).toBe(expected);
    expect(short(new Response(null, { status: n }))).toBe(expected);
  });

  it.each([200, 302, 399, 600, 404.5, Number.NaN])('%s is not a status of a failure', (status) => {
    expect(short(Object.assign(new Error('x'), { status }))).toBe('TOOL_FAILED stop unknown none');
  });

  it('Retry-After: seconds, a date, milliseconds, in Headers and in objects', () => {
    const wait = (headers: unknown, status = 429) => classify(Object.assign(new Error('x'), { status, headers })).retryAfter;
    expect(wait({ 'retry-after': '12' })).toBe(12_000);
    expect(wait({ 'Retry-After': ['1.5'] })).toBe(1_500);
    expect(wait(new Headers({ 'Retry-After': '12' }), 503)).toBe(12_000);
    expect(wait(new Headers({ 'retry-after-ms': '40', 'Retry-After': '12' }))).toBe(40);
    const inAnHour = wait({ 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() }) as number;
    expect(inAnHour).toBeGreaterThan(3_590_000);
    expect(inAnHour).toBeLessThanOrEqual(3_600_000);
    expect(wait({ 'retry-after': new Date(0).toUTCString() })).toBe(0);
    for (const nonsense of ['2026-01-01', 'soon', '-5', '', '1e9x', null, {}]) expect(wait({ 'retry-after': nonsense })).toBeUndefined();
    expect(wait({ 'retry-after': '12' }, 400)).toBeUndefined();
    expect(classify(Object.assign(new Error('x'), { response: { status: 429, headers: { 'retry-after': '2' } } })).retryAfter).toBe(2_000);
  });
});

describe('Node', () => {
  it.each([
    [node('ECONNREFUSED'), 'NETWORK retry not-run service'],
    [node('ENOTFOUND'), 'NETWORK retry not-run service'],
    [node('EAI_AGAIN'), 'NETWORK retry not-run service'],
    [node('UND_ERR_CONNECT_TIMEOUT'), 'NETWORK retry not-run service'],
    [node('ECONNRESET'), 'NETWORK retry unknown service'],
    [node('EPIPE'), 'NETWORK retry unknown service'],
    [node('UND_ERR_SOCKET'), 'NETWORK retry unknown service'],
    [node('ETIMEDOUT'), 'TIMEOUT retry unknown service'],
    [node('ETIMEDOUT', { syscall: 'connect' }), 'NETWORK retry not-run service'],
    [node('ETIMEDOUT', { syscall: 'read' }), 'TIMEOUT retry unknown service'],
    [node('EHOSTUNREACH', { syscall: 'connect' }), 'NETWORK retry not-run service'],
    [node('EHOSTUNREACH', { syscall: 'write' }), 'NETWORK retry unknown service'],
    [node('UND_ERR_HEADERS_TIMEOUT'), 'TIMEOUT retry unknown service'],
    [node('CERT_HAS_EXPIRED'), 'TLS_FAILED stop unknown service'],
    [node('EOPENBREAKER'), 'CIRCUIT_OPEN retry not-run none'],
    [node('ERR_HTTP2_STREAM_ERROR'), 'NETWORK retry unknown service'],
    [
      Object.assign(new Error('Stream closed with error code NGHTTP2_REFUSED_STREAM'), { code: 'ERR_HTTP2_STREAM_ERROR' }),
      'NETWORK retry not-run service',
    ],
    [node('ERR_HTTP2_STREAM_CANCEL'), 'NETWORK retry unknown service'],
    [node('ERR_HTTP2_STREAM_CANCEL', { cause: node('ECONNREFUSED') }), 'NETWORK retry not-run service'],
    [node('ERR_HTTP2_STREAM_CANCEL', { cause: node('ECONNRESET') }), 'NETWORK retry unknown service'],
    [new Error('HTTP/2 stream is abnormally aborted in mid-communication with result code 8.'), 'NETWORK retry unknown service'],
    [node('ENOENT'), 'TOOL_FAILED stop unknown none'],
  ])('%s', (error, expected) => {
    expect(short(error)).toBe(expected);
  });

  it('fetch: its TypeError is what its cause is', () => {
    const failed = (cause: unknown) => new TypeError('fetch failed', { cause });
    expect(short(failed(node('ECONNREFUSED')))).toBe('NETWORK retry not-run service');
    expect(short(failed(node('ECONNRESET')))).toBe('NETWORK retry unknown service');
    expect(short(failed(undefined))).toBe('TOOL_FAILED stop unknown none');
    expect(classify(failed(node('ECONNREFUSED'))).message).toBe('fetch failed: ECONNREFUSED');
    expect(classify(failed(undefined)).message).toBe('fetch failed');
    expect(classify(new TypeError('no url', { cause: new Error('of its author') })).message).toBe('no url');
    expect(short(Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL' }))).toBe('VALIDATION stop unknown caller');
  });

  it('fetch: a cause that no table lists is told, without its secrets', async () => {
    const error = await fetch('ftp://example.com').catch((thrown: unknown) => thrown);
    expect(classify(error)).toMatchObject({ code: 'TOOL_FAILED', outcome: 'unknown', message: 'fetch failed: unknown scheme' });
    expect(classify(error, 'TOOL_FAILED', (text) => text.replace('unknown scheme', '***')).message).toBe('fetch failed: ***');
    const long = classify(new TypeError('fetch failed', { cause: new Error('x'.repeat(5_000)) })).message;
    expect(long.length).toBeLessThanOrEqual(2_000);
  });

  it('fetch: not-run only where all addresses refused', () => {
    const failed = (...errors: Error[]) => new TypeError('fetch failed', { cause: new AggregateError(errors) });
    expect(short(failed(node('ECONNREFUSED'), node('ETIMEDOUT', { syscall: 'connect' })))).toBe('NETWORK retry not-run service');
    expect(short(failed(node('ECONNREFUSED'), node('ECONNRESET')))).toBe('NETWORK retry unknown service');
    expect(short(failed(node('ECONNREFUSED'), new Error('?')))).toBe('NETWORK retry unknown service');
    const answered = Object.assign(new Error('x'), { status: 404 });
    expect(classify(new AggregateError([node('ECONNREFUSED'), answered])).outcome).toBe('failed');
    expect(classify(new AggregateError([answered, node('ECONNREFUSED'), node('EPIPE')])).outcome).toBe('unknown');
    expect(classify(new AggregateError(Array(21).fill(node('ECONNREFUSED')))).outcome).toBe('unknown');
  });

  it('a plain Error around an answer of a service proves nothing either', () => {
    const answer = Object.assign(new Error('x'), { status: 404 });
    expect(short(new Error('second step', { cause: answer }))).toBe('NOT_FOUND stop unknown caller');
    expect(short(new TypeError('fetch failed', { cause: new Error('a', { cause: answer }) }))).toBe('NOT_FOUND stop unknown caller');
  });

  it('a plain Error around a refused connection does not prove that nothing was done before', () => {
    expect(short(new Error('second step', { cause: node('ECONNREFUSED') }))).toBe('NETWORK retry unknown service');
    expect(short(new Error('a', { cause: new TypeError('fetch failed', { cause: node('ENOTFOUND') }) }))).toBe(
      'NETWORK retry unknown service',
    );
    expect(short(new TypeError('a', { cause: node('ECONNREFUSED') }))).toBe('NETWORK retry unknown service');
    expect(short(new Error('a', { cause: new Error('b', { cause: node('ECONNRESET') }) }))).toBe('NETWORK retry unknown service');
  });

  it('a cyclic chain of causes', () => {
    const error = new Error('x');
    error.cause = error;
    expect(classify(error)).toMatchObject({ code: 'TOOL_FAILED', message: 'x' });
    const many = new AggregateError([]);
    many.errors.push(...Array(20).fill(many));
    expect(classify(many)).toMatchObject({ code: 'TOOL_FAILED', message: 'AggregateError (without a message)' });
  });

  it('real sockets', async () => {
    const { url, close } = await server((req, res) => (req.url === '/reset' ? req.socket.destroy() : res.end()));
    expect(short(await fetch(`${url}/reset`).catch((e) => e))).toBe('NETWORK retry unknown service');
    await close();
    expect(short(await fetch(url).catch((e) => e))).toBe('NETWORK retry not-run service');
    expect(short(await fetch(url.replace('127.0.0.1', 'localhost')).catch((e) => e))).toBe('NETWORK retry not-run service');
  });
});

describe('aborts', () => {
  it("an abort is not an answer, a timeout of the tool's own is one", async () => {
    expect(short(AbortSignal.abort().reason)).toBe('ABORTED stop unknown none');
    expect(short(node('ABORT_ERR'))).toBe('ABORTED stop unknown none');
    expect(short(new DOMException('x', 'TimeoutError'))).toBe('TIMEOUT retry unknown service');
    const aborted = await fetch('http://127.0.0.1:9', { signal: AbortSignal.abort() }).catch((e) => e);
    expect(short(aborted)).toBe('ABORTED stop unknown none');
  });
});

describe('everything else', () => {
  it.each([
    [new Error('boom'), 'boom'],
    ['text', 'text'],
    ['', 'An empty string was thrown.'],
    [undefined, 'undefined was thrown.'],
    [null, 'null was thrown.'],
    [7, '7 was thrown.'],
    [10n, '10n was thrown.'],
    [Symbol('s'), 'Symbol(s) was thrown.'],
    [() => 1, '[Function (anonymous)] was thrown.'],
    [{ message: 'in an object' }, 'in an object'],
    [{ a: 1 }, '{ a: 1 }'],
    [{ [inspect.custom]: () => '[object Object]' }, /^{ .*inspect.custom/],
    [Object.create(null), '[Object: null prototype] {}'],
    [new Error(''), 'Error (without a message)'],
    [new Error(String({})), 'Error (without a message)'],
    [Object.assign(new Error(''), { name: 'OddError', code: 'E1' }), 'OddError E1 (without a message)'],
    [new Response(null, { status: 503, statusText: 'Busy' }), 'HTTP 503 Busy'],
  ])('%o', (error, message) => {
    if (message instanceof RegExp) expect(classify(error).message).toMatch(message);
    else expect(classify(error).message).toBe(message);
  });

  it('has the code that the caller chooses', () => {
    expect(classify(new Error('x'), 'MODEL_FAILED')).toEqual({
      code: 'MODEL_FAILED',
      message: 'x',
      retryable: false,
      outcome: 'unknown',
      fault: 'none',
    });
    expect(classify(new Error('x'), 'STEP_FAILED')).toMatchObject({ code: 'STEP_FAILED', unclassified: true });
  });

  it('bounds messages, without half a surrogate pair', () => {
    for (const text of ['x'.repeat(5_000), '🎵'.repeat(5_000), `x${'🎵'.repeat(5_000)}`]) {
      for (const thrown of [new Error(text), text, { message: text }, new ToolError('A', text), { deep: [text] }]) {
        const { message } = classify(thrown);
        expect(message.length).toBeLessThanOrEqual(MAX_MESSAGE);
        expect(Buffer.from(message, 'utf8').toString('utf8')).toBe(message);
      }
    }
    expect(classify('x'.repeat(MAX_MESSAGE)).message).toHaveLength(MAX_MESSAGE);
    expect(classify('x'.repeat(MAX_MESSAGE + 1)).message).toMatch(/ \[cut, 2001 characters\]$/);
    expect(classify(new ToolError('C'.repeat(5_000), 'x')).code).toHaveLength(100);
  });

  it('getters that throw', () => {
    const hostile = (keys: string[], base: object = {}) => {
      for (const key of keys)
        Object.defineProperty(base, key, {
          get() {
            throw new Error(`no ${key}`);
          },
        });
      return base;
    };
    const keys = [
      'name',
      'message',
      'code',
      'status',
      'cause',
      '$metadata',
      '$retryable',
      'response',
      'headers',
      'errors',
      'retryAfterSeconds',
    ];
    expect(short(hostile(keys))).toBe('TOOL_FAILED stop unknown none');
    expect(short(hostile(keys, new Error('x')))).toBe('TOOL_FAILED stop unknown none');
    expect(short(hostile(keys, new ToolError('A', 'x')))).toBe('TOOL_FAILED stop unknown none');
    expect(short(hostile(['headers'], Object.assign(new Error('x'), { status: 429 })))).toBe('THROTTLING retry not-run service');
  });

  it('whatever is thrown: well formed, bounded, and nothing known of its effect without a status', () => {
    const anything = fc.oneof(
      fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true, withSet: true }),
      fc.anything().map((cause) => new Error('x', { cause })),
      fc
        .record({ message: fc.anything(), name: fc.anything(), code: fc.anything(), cause: fc.anything() })
        .map((o) => Object.assign(new Error(), o)),
      fc.record({ status: fc.anything(), headers: fc.anything(), response: fc.anything() }),
    );
    fc.assert(
      fc.property(anything, (thrown) => {
        const c = classify(thrown);
        expect(c.message.length).toBeGreaterThan(0);
        expect(c.message.length).toBeLessThanOrEqual(MAX_MESSAGE);
        expect(c.message).not.toContain('[object Object]');
        expect(c.outcome === 'unknown' || /^(4\d\d)$/.test(String(statusIn(thrown)))).toBe(true);
        expect(c.code).not.toBe('');
      }),
      { numRuns: 500 },
    );
  });
});

describe('gRPC', () => {
  const grpc = (code: number) => Object.assign(new Error(`${code} X: x`), { code, details: 'x' });
  it.each([
    [grpc(1), 'ABORTED stop unknown none'],
    [grpc(2), 'TOOL_FAILED stop unknown none'],
    [grpc(3), 'VALIDATION stop unknown caller'],
    [grpc(4), 'TIMEOUT retry unknown service'],
    [grpc(5), 'NOT_FOUND stop unknown caller'],
    [grpc(6), 'CONFLICT stop unknown caller'],
    [grpc(7), 'ACCESS_DENIED stop unknown caller'],
    // also where the answer, after the effect, was too long for the client
    [grpc(8), 'THROTTLING retry unknown service'],
    [grpc(13), 'INTERNAL_ERROR retry unknown service'],
    [grpc(14), 'SERVICE_UNAVAILABLE retry unknown service'],
    [grpc(16), 'UNAUTHENTICATED stop unknown caller'],
    [grpc(17), 'TOOL_FAILED stop unknown none'],
    [Object.assign(new Error('x'), { code: 14 }), 'TOOL_FAILED stop unknown none'],
  ])('%s', (error, expected) => {
    expect(short(error)).toBe(expected);
  });
});

/** The status that a thrown value shows. */
function statusIn(thrown: unknown): unknown {
  const { status, response } = (thrown ?? {}) as { status?: unknown; response?: { status?: unknown; statusCode?: unknown } };
  return [status, response?.status, response?.statusCode].find((s) => typeof s === 'number');
}

const open: Server[] = [];
async function server(handler: Parameters<typeof createServer>[1] & object) {
  const s = createServer(handler as never);
  open.push(s);
  await new Promise<void>((r) => s.listen(0, '127.0.0.1', r));
  const close = () => {
    s.closeAllConnections();
    return new Promise<void>((r) => s.close(() => r()));
  };
  return { url: `http://127.0.0.1:${(s.address() as AddressInfo).port}`, close };
}
afterEach(() => {
  for (const s of open.splice(0)) {
    s.closeAllConnections();
    s.close();
  }
});
