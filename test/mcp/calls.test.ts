import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { context as otel, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { McpOptions } from '../../src/adapters/mcp/index.ts';
import { ToolError } from '../../src/errors.ts';
import type { Json } from '../../src/json.ts';
import { folder } from '../kit/folder.ts';
import { eventually } from '../kit/time.ts';
import { serveHttp } from './http.ts';
import { stdioServer, toModel, using } from './support.ts';

let http: Awaited<ReturnType<typeof serveHttp>>;
beforeAll(async () => {
  http = await serveHttp();
});
afterAll(() => http.close());

describe.each(['stdio', 'http', 'http, by the later SDK'] as const)('calls over %s', (kind) => {
  const server = (): McpOptions => ({
    ...(kind.startsWith('stdio') ? stdioServer : { name: 'fixture', url: http.url }),
    ...(kind.endsWith('SDK') && { protocol: 'auto' }),
  });

  it('gives text as text', () => using(server(), async ({ call }) => expect(await call('echo', { text: 'hi' })).toBe('hi')));

  it('keeps structured content once, and shows it to the model', () =>
    using(server(), async ({ call, tools }) => {
      const output = await call('structured');
      expect(output).toEqual({ n: 1 });
      expect(toModel(tools, 'structured', output)).toBe('{"n":1}');
    }));

  it('gives the model both where the words say other than the data', () =>
    using(server(), async ({ call, tools }) => {
      const output = await call('mixed');
      expect(toModel(tools, 'mixed', output)).toEqual([
        { type: 'text', text: 'There are two.' },
        { type: 'text', text: '{"n":2}' },
      ]);
    }));

  it('maps images, resources and what it cannot pass on', () =>
    using(server(), async ({ call, tools }) => {
      expect(toModel(tools, 'picture', await call('picture'))).toEqual([
        { type: 'text', text: 'a picture' },
        { type: 'image', mediaType: 'image/png', data: 'iVBORw==' },
        { type: 'text', text: 'file:///a.txt\ninside' },
        { type: 'document', mediaType: 'application/pdf', data: 'JVBERg==', name: 'file:///a.pdf' },
        { type: 'text', text: 'b: https://example.test/b' },
        { type: 'text', text: expect.stringContaining('audio') },
      ]);
    }));

  it('turns an error result into a ToolError, with what a trusted server says of it', () =>
    using({ ...server(), trustAnnotations: true }, async ({ call }) => {
      const plain = await call('fails').catch((e) => e);
      expect(plain).toBeInstanceOf(ToolError);
      expect(plain).toMatchObject({ code: 'MCP_TOOL_ERROR', message: 'it did not work', outcome: 'unknown', retryable: false });
      await expect(call('fails_well')).rejects.toMatchObject({
        code: 'SERVICE_UNAVAILABLE',
        outcome: 'not-run',
        retryable: true,
        retryAfter: 20,
      });
    }));

  it('says that a request which the server refused did not run', () =>
    using(server(), async ({ call }) => {
      const refused = {
        code: 'MCP_INVALID_PARAMS',
        outcome: 'not-run',
        retryable: false,
        message: expect.stringContaining('n must be a number'),
      };
      await expect(call('rpc_error')).rejects.toMatchObject(refused);
    }));

  it('passes progress on', () =>
    using(server(), async ({ call }) => {
      const seen: Json[] = [];
      await call('steps', {}, { progress: (data) => seen.push(data) });
      expect(seen).toEqual([
        { progress: 1, total: 2, message: 'step 1' },
        { progress: 2, total: 2, message: 'step 2' },
      ]);
    }));

  it('treats progress as progress of the call that it belongs to', () =>
    using(server(), async ({ call }) => {
      let [mine, other] = [0, 0];
      const stop = new AbortController();
      const hanging = call('hang', {}, { signal: stop.signal, alive: () => other++ }).catch(() => {});
      await call('steps', {}, { alive: () => mine++ });
      expect(mine).toBe(2);
      expect(other).toBeLessThan(2);
      stop.abort();
      await hanging;
    }));

  it('lets progress extend a call to one hour at most', () =>
    using(server(), async ({ call }) => {
      let [alive, progress] = [0, 0];
      const real = performance.now.bind(performance);
      let ahead = 0;
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => real() + ahead);
      onTestFinished(() => clock.mockRestore());
      const told = () => {
        progress++;
        ahead = 3_600_001;
      };
      await call('steps', {}, { alive: () => alive++, progress: told });
      expect([alive, progress]).toEqual([1, 2]);
    }));

  it('sends the idempotency key, and the active span', async () => {
    const manager = new AsyncLocalStorageContextManager().enable();
    otel.setGlobalContextManager(manager);
    try {
      const span = trace.wrapSpanContext({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 });
      await using(server(), async ({ call }) => {
        const meta = JSON.parse((await otel.with(trace.setSpan(otel.active(), span), () => call('meta'))) as string);
        expect(meta).toMatchObject({ 'rondo/idempotency-key': 'key-1', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` });
        expect(JSON.parse((await call('meta')) as string)).not.toHaveProperty('traceparent');
      });
    } finally {
      otel.disable();
    }
  });

  it('tells the server when a call is given up', async () => {
    const cancelled = join(folder('mcp'), 'cancelled');
    http.cancelled = cancelled;
    await using({ ...server(), ...(kind === 'stdio' && { env: { CANCELLED: cancelled } }) }, async ({ call }) => {
      const stop = new AbortController();
      // the first progress says that the server works on it
      const hanging = call('hang', {}, { signal: stop.signal, progress: () => stop.abort() });
      await expect(hanging).rejects.toMatchObject({ code: 'ABORTED', outcome: 'unknown' });
      await eventually(() => expect(existsSync(cancelled)).toBe(true));
      expect(await call('echo', { text: 'still there' })).toBe('still there');
    });
  });

  it('sees tools that appear later', () =>
    using(server(), async ({ call, list, tools }) => {
      expect(await list()).toBe(tools);
      await call('grow');
      await eventually(async () => expect((await list()).map((t) => t.name)).toContain('grown'));
    }));
});
