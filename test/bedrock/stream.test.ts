import { describe, expect, test } from 'vitest';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import type { Model, ModelDelta } from '../../src/ports/model.ts';
import { events, http1Client, says } from '../wire/bedrock.ts';
import type { Call, Step } from '../wire/server.ts';
import { ask, ID, rejection, request, wire } from './setup.ts';

const w = wire();
const text = (t: string, contentBlockIndex = 0) => ({ contentBlockDelta: { delta: { text: t }, contentBlockIndex } });
const stop = { event: { messageStop: { stopReason: 'end_turn' } } };
const start = { event: { messageStart: { role: 'assistant' } } };

const protocols: [string, () => Model][] = [
  ['http/2', () => bedrock(ID, { endpoint: w.server.url })],
  ['http/1.1', () => bedrock(ID, { client: http1Client(w.server.url) })],
];
describe.each(protocols)('%s', (protocol, model) => {
  const streamed = (...steps: Step[]) => {
    w.server.next({ events: steps });
    return ask(model(), request(), 'stream');
  };

  test('tokens arrive as they are made', async () => {
    let heard = (): void => {};
    const first = new Promise<void>((resolve) => {
      heard = resolve;
    });
    // the server goes on only when the first delta was heard, so an adapter that buffers would wait for ever
    w.server.next({ events: [start, { event: text('slow') }, { wait: first }, { event: text('ly') }, stop] });
    const deltas: ModelDelta[] = [];
    const emit = (d: ModelDelta) => {
      deltas.push(d);
      heard();
    };
    const { content } = await model().generate(request(), { signal: new AbortController().signal, emit });
    expect(content).toEqual([{ type: 'text', text: 'slowly' }]);
    expect(deltas.map((d) => d.text)).toEqual(['slow', 'ly']);
    expect(w.server.calls[0]?.protocol).toBe(protocol);
  });

  test('the arguments of a call are shown while they are written', async () => {
    const tool = { contentBlockStart: { start: { toolUse: { toolUseId: 't', name: 'look' } }, contentBlockIndex: 0 } };
    const piece = (input: string) => ({ event: { contentBlockDelta: { delta: { toolUse: { input } }, contentBlockIndex: 0 } } });
    const end = { event: { messageStop: { stopReason: 'tool_use' } } };
    w.server.next({ events: [start, { event: tool }, piece('{"at":'), piece(''), piece('"x"}'), end] });
    const deltas: ModelDelta[] = [];
    const { content } = await model().generate(request(), { signal: new AbortController().signal, emit: (d) => void deltas.push(d) });
    expect(content).toEqual([{ type: 'toolCall', id: 't', name: 'look', input: { at: 'x' } }]);
    const call = { type: 'toolCall', id: 't', name: 'look' };
    expect(deltas).toEqual([
      { ...call, text: '{"at":' },
      { ...call, text: '"x"}' },
    ]);
  });

  test('every event is a sign of life, those that are not shown too', async () => {
    const tool = { contentBlockStart: { start: { toolUse: { toolUseId: 't', name: 'look' } }, contentBlockIndex: 0 } };
    const piece = { contentBlockDelta: { delta: { toolUse: { input: '' } }, contentBlockIndex: 0 } };
    w.server.next({ events: [start, { event: tool }, { event: piece }, { event: { messageStop: { stopReason: 'tool_use' } } }] });
    let alive = 0;
    const call = { signal: new AbortController().signal, emit: () => expect.fail('there is nothing to show'), alive: () => void alive++ };
    await model().generate(request(), call);
    expect(alive).toBeGreaterThanOrEqual(4);
  });

  const breaks: [string, Step[]][] = [
    [
      'cut in the middle of a frame, the connection gone',
      [start, { event: text('a') }, { cut: text('bcd'), bytes: 20 }, { destroy: true }],
    ],
    ['cut in the middle of a frame, ended properly', [start, { event: text('a') }, { cut: text('bcd'), bytes: 20 }]],
    ['cut inside the length of a frame', [start, { cut: text('bcd'), bytes: 2 }]],
    ['cut between frames, the connection gone', [start, { event: text('a') }, { destroy: true }]],
    ['ended without a messageStop', [start, { event: text('a') }, { event: { contentBlockStop: { contentBlockIndex: 0 } } }]],
    ['ended before it began', []],
    ['gone before it began', [{ destroy: true }]],
    ['a flipped bit', [start, { event: text('a') }, { corrupt: text('bcd') }, stop]],
    ['a flipped bit in the first frame', [{ corrupt: { messageStart: { role: 'assistant' } } }, stop]],
    ['bytes that are no frame', [start, { raw: Buffer.from('HTTP/1.1 502 Bad Gateway') }, stop]],
  ];
  test.each(breaks)('broken: %s', async (_, steps) => {
    const error = await rejection(streamed(...steps));
    // a connection that closes before any byte of the answer is told apart from an answer that broke, where the protocol can
    expect(error.code).toMatch(steps[0] && 'destroy' in steps[0] ? /^(STREAM_BROKEN|NETWORK)$/ : /^STREAM_BROKEN$/);
    expect(error).toMatchObject({ retryable: true });
    expect(error.outcome).not.toBe('not-run');
    expect(w.server.calls).toHaveLength(1);
  });

  test('a whole answer counts though the connection goes before its usage', async () => {
    const { content, usage } = await streamed(start, { event: text('whole') }, stop, { cut: text('x'), bytes: 9 }, { destroy: true });
    expect(content).toEqual([{ type: 'text', text: 'whole' }]);
    expect(usage).toBeUndefined();
  });

  test('aborting in the middle closes the connection', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let went: Promise<'done' | 'cut'> | undefined;
    w.server.next((call) => {
      went = call.closed;
      return { events: [start, { event: text('a') }, { wait: call.closed }, stop] };
    });
    const deltas: ModelDelta[] = [];
    const emit = (d: ModelDelta) => {
      deltas.push(d);
      controller.abort(reason);
    };
    await expect(model().generate(request(), { signal: controller.signal, emit })).rejects.toBe(reason);
    expect(await went).toBe('cut');
    expect(deltas).toHaveLength(1);
  });

  test.each(['one-shot', 'stream'] as const)('aborting before anything is answered closes the connection (%s)', async (mode) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let seen: Call | undefined;
    w.server.next((call) => {
      seen = call;
      setImmediate(() => controller.abort(reason));
      return { wait: call.closed, reply: { destroy: true } };
    });
    await expect(ask(model(), request(), mode, controller.signal)).rejects.toBe(reason);
    expect(await seen?.closed).toBe('cut');
  });

  test.each(['one-shot', 'stream'] as const)('aborted before it starts: no request (%s)', async (mode) => {
    const signal = AbortSignal.abort(new Error('never mind'));
    await expect(ask(model(), request(), mode, signal)).rejects.toBe(signal.reason);
    expect(w.server.calls).toHaveLength(0);
  });

  test('a listener that throws gets its own error back, and the stream is left', async () => {
    const error = new TypeError('in the listener');
    let went: Promise<'done' | 'cut'> | undefined;
    w.server.next((call) => {
      went = call.closed;
      return { events: [start, { event: text('a') }, { wait: call.closed }] };
    });
    const emit = () => {
      throw error;
    };
    await expect(model().generate(request(), { signal: new AbortController().signal, emit })).rejects.toBe(error);
    expect(await went).toBe('cut');
  });
});

describe('exceptions inside a stream', () => {
  const cases: [string, string, string, boolean][] = [
    ['internalServerException', 'The system failed.', 'INTERNAL_ERROR', true],
    ['modelStreamErrorException', 'The model failed.', 'STREAM_ERROR', true],
    ['throttlingException', 'Too many requests, please wait before trying again.', 'THROTTLING', true],
    ['serviceUnavailableException', 'Bedrock is unable to process your request.', 'SERVICE_UNAVAILABLE', true],
    ['validationException', 'The format of something is wrong.', 'VALIDATION', false],
    ['validationException', 'The model returned the following errors: Input is too long for requested model.', 'CONTEXT_TOO_LONG', false],
    ['modelTimeoutException', 'Model has timed out', 'TIMEOUT', true],
    ['exceptionOfTomorrow', 'what', 'STREAM_BROKEN', true],
  ];
  test.each(cases)('%s: %s', async (exception, message, code, retryable) => {
    for (const before of [[], [start, { event: text('a') }]]) {
      w.server.next({ events: [...before, { exception, message }] });
      const error = await rejection(ask(bedrock(ID, { endpoint: w.server.url }), request(), 'stream'));
      if (exception === 'exceptionOfTomorrow') expect(error).toMatchObject({ code, retryable });
      else expect(error).toMatchObject({ code, retryable, message: expect.stringContaining(message) });
      // what had begun did run
      if (before.length) expect(error.outcome).toBe('failed');
    }
  });
});

test('an error that the service did not model', async () => {
  const frame = { ':message-type': 'error', ':error-code': 'InternalFailure', ':error-message': 'lost a machine' };
  w.server.next({ events: [start, { event: text('a') }, { frame, body: '' }] });
  const error = await rejection(ask(bedrock(ID, { endpoint: w.server.url }), request(), 'stream'));
  expect(error).toMatchObject({
    code: 'INTERNAL_ERROR',
    retryable: true,
    outcome: 'failed',
    message: expect.stringContaining('lost a machine'),
  });
});

describe('what streams may do', () => {
  const one = async (...steps: Step[]) => {
    w.server.next({ events: steps });
    return ask(bedrock(ID, { endpoint: w.server.url }), request(), 'stream');
  };
  const toolStart = (toolUseId: string, contentBlockIndex: number) => ({
    event: { contentBlockStart: { start: { toolUse: { toolUseId, name: 'n' } }, contentBlockIndex } },
  });
  const toolDelta = (input: string, contentBlockIndex: number) => ({
    event: { contentBlockDelta: { delta: { toolUse: { input } }, contentBlockIndex } },
  });

  test('blocks that are interleaved, and the JSON of each put together by its index', async () => {
    const { content } = await one(
      start,
      { event: text('a', 0) },
      toolStart('t1', 1),
      toolStart('t2', 2),
      toolDelta('{"x"', 1),
      toolDelta('{"y":', 2),
      { event: text('b', 0) },
      toolDelta(':1}', 1),
      toolDelta('2}', 2),
      { event: { messageStop: { stopReason: 'tool_use' } } },
    );
    expect(content).toEqual([
      { type: 'text', text: 'ab' },
      { type: 'toolCall', id: 't1', name: 'n', input: { x: 1 } },
      { type: 'toolCall', id: 't2', name: 'n', input: { y: 2 } },
    ]);
  });

  test('one index for reasoning and then text, and for two tools in a row', async () => {
    const reasoning = { event: { contentBlockDelta: { delta: { reasoningContent: { text: 'hm' } }, contentBlockIndex: 0 } } };
    const { content } = await one(
      start,
      reasoning,
      { event: text('so', 0) },
      toolStart('t1', 1),
      toolDelta('{}', 1),
      { event: { contentBlockStop: { contentBlockIndex: 1 } } },
      toolStart('t2', 1),
      toolDelta('{"a":1}', 1),
      stop,
    );
    expect(content.map((p) => (p.type === 'toolCall' ? p.input : p.type))).toEqual(['reasoning', 'text', {}, { a: 1 }]);
  });

  test('a signature and redacted bytes that come in pieces', async () => {
    const piece = (reasoningContent: object, contentBlockIndex: number) => ({
      event: { contentBlockDelta: { delta: { reasoningContent }, contentBlockIndex } },
    });
    const { content } = await one(
      start,
      piece({ text: 'hm' }, 0),
      piece({ signature: 'one' }, 0),
      piece({ signature: 'two' }, 0),
      piece({ redactedContent: Uint8Array.from([1]) }, 1),
      piece({ redactedContent: Uint8Array.from([2, 3]) }, 1),
      stop,
    );
    expect(content.map((p) => 'vendor' in p && p.vendor)).toEqual([
      { bedrock: { model: ID, signature: 'onetwo' } },
      { bedrock: { model: ID, redacted: 'AQID' } },
    ]);
  });

  test('a block that starts, or stopped, is another one', async () => {
    const { content } = await one(
      start,
      { event: text('a', 0) },
      { event: { contentBlockStop: { contentBlockIndex: 0 } } },
      { event: text('b', 0) },
      toolStart('t1', 1),
      toolDelta('{"a":1}', 1),
      toolStart('t2', 1),
      toolDelta('{"b":1}', 1),
      stop,
    );
    expect(content.map((p) => (p.type === 'toolCall' ? p.input : p.type === 'text' && p.text))).toEqual(['a', 'b', { a: 1 }, { b: 1 }]);
  });

  test('events and content of tomorrow are passed over', async () => {
    const { content } = await one(
      start,
      { frame: { ':message-type': 'event', ':event-type': 'eventOfTomorrow', ':content-type': 'application/json' }, body: '{"a":1}' },
      { event: { contentBlockStart: { start: { toolResult: { toolUseId: 'x' } }, contentBlockIndex: 0 } } },
      { event: { contentBlockDelta: { delta: { toolResult: [{ text: 'r' }] }, contentBlockIndex: 0 } } },
      { event: { contentBlockDelta: { delta: { citation: { title: 't' } }, contentBlockIndex: 1 } } },
      { event: text('x', 1) },
      stop,
    );
    expect(content).toEqual([{ type: 'text', text: 'x' }]);
  });

  test.each(['{"a":', 'not json', '{"a":1}}', "{'a':1}", '{"a":1'])(
    'a tool input that is not JSON comes as the text it is: %s',
    async (raw) => {
      w.server.next(says({ content: [{ toolUse: { toolUseId: 't', name: 'n', input: {} } }], rawInput: raw, deltas: (t) => [...t] }));
      const { content, stop: why } = await ask(bedrock(ID, { endpoint: w.server.url }), request(), 'stream');
      expect(content).toEqual([{ type: 'toolCall', id: 't', name: 'n', input: raw }]);
      expect(why).toBe('tools');
    },
  );

  test('an input cut off by the token limit comes as text, and the answer says why', async () => {
    w.server.next(
      says({ content: [{ toolUse: { toolUseId: 't', name: 'n', input: {} } }], rawInput: '{"to":"a', stopReason: 'max_tokens' }),
    );
    const { content, stop: why } = await ask(bedrock(ID, { endpoint: w.server.url }), request(), 'stream');
    expect(content).toEqual([{ type: 'toolCall', id: 't', name: 'n', input: '{"to":"a' }]);
    expect(why).toBe('length');
  });

  test.each(['', ' '])('no input is an empty one (%j)', async (raw) => {
    w.server.next(says({ content: [{ toolUse: { toolUseId: 't', name: 'n', input: {} } }], rawInput: raw }));
    const { content } = await ask(bedrock(ID, { endpoint: w.server.url }), request(), 'stream');
    expect(content).toEqual([{ type: 'toolCall', id: 't', name: 'n', input: {} }]);
  });

  test('frames cut into single bytes', async () => {
    const steps = events({ content: [{ text: 'whole' }] });
    w.server.next({
      events: steps,
      *writes(bytes) {
        for (let i = 0; i < bytes.length; i++) yield bytes.subarray(i, i + 1);
      },
    });
    const { content } = await ask(bedrock(ID, { endpoint: w.server.url }), request(), 'stream');
    expect(content).toEqual([{ type: 'text', text: 'whole' }]);
  });
});
