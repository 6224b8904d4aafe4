import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { agent, clearToolResults, Engine, fallback, type Model, type ModelRequest, RondoError, tool } from '../../src/index.ts';
import { fs } from '../../src/node.ts';
import { type RecordOptions, record, replay, scripted } from '../../src/testing/index.ts';

const HAIKU = 'anthropic.claude-haiku-4-5-20251001-v1:0';
const call = () => ({ signal: new AbortController().signal });
let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'recording-'));
  file = join(dir, 'talk.jsonl');
});
afterEach(() => rmSync(dir, { recursive: true }));

const say = (...texts: string[]): ModelRequest => ({
  instructions: 'Be kind.',
  tools: [],
  messages: texts.map((text, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content: [{ type: 'text', text }] })),
});
const textOf = (answer: { content: readonly object[] }) => (answer.content as { text?: string }[]).map(({ text }) => text).join('');

const clock = (now: () => string) =>
  tool({ name: 'clock', description: 'The time', input: z.object({}), effect: 'read', execute: () => ({ now: now() }) });
const looksUp = (rate = 7) =>
  tool({
    name: 'look_up',
    description: 'Finds a rate',
    input: z.object({ of: z.string() }),
    effect: 'read',
    execute: ({ of }) => ({ of, rate }),
  });
/** A model that is dear, says another id, and asks for one tool call per step. */
const real = (steps = 3): Model =>
  scripted(
    (_, n) =>
      n % steps < steps - 1
        ? { text: `Step ${n % steps}.`, toolCalls: [{ id: `c${n % steps}`, name: 'look_up', input: { of: `n${n % steps}` } }] }
        : { reasoning: 'All is known.', text: 'The sum is 14.', usage: { input: 1_000, output: 100, cacheRead: 500 } },
    { provider: 'bedrock', id: `us.${HAIKU}`, maxOutput: 500, contextWindow: 9_000 },
  );
const asks = (model: Model, tools = [looksUp()], instructions = 'Sum the rates.') => agent({ name: 'sums', instructions, model, tools });

async function failing(promise: PromiseLike<unknown>) {
  const result = (await promise) as { status: string; error?: { code: string; message: string; retryable: boolean } };
  expect(result.status).toBe('failed');
  return result.error as NonNullable<typeof result.error>;
}

test('a run on the recording is the recorded run: answers, calls, usage, dollars', async () => {
  const engine = new Engine();
  const recorded = await engine.run(asks(record(real(), file)), 'All of them');
  const model = replay(file);
  expect(model).toMatchObject({ provider: 'bedrock', id: `us.${HAIKU}`, maxOutput: 500, contextWindow: 9_000, standin: true });
  const replayed = await engine.run(asks(model), 'All of them');
  expect(replayed.status).toBe('completed');
  expect({ ...replayed, runId: '', ms: 0 }).toEqual({ ...recorded, runId: '', ms: 0 });
  expect(replayed.usage).toMatchObject({ cacheRead: 500 });
  expect(replayed.costUsd).toBeGreaterThan(0);
});

test('an answer keeps its model, id, stop and vendor data', async () => {
  const answer = {
    content: [{ type: 'reasoning', text: 'Hm.', vendor: { signature: 'abc' } }],
    stop: 'length',
    usage: { input: 3, output: 4, reasoning: 2 },
    model: 'router-chose-this',
    id: 'req-1',
  } as const;
  const model: Model = { provider: 'p', id: 'm', settings: { temperature: 0, server: 'secret.host' }, generate: async () => answer };
  expect(await record(model, file).generate(say('Hello'), call())).toEqual(answer);
  const again = replay(file);
  expect(await again.generate(say('Hello'), call())).toEqual(answer);
  expect(again.settings).toEqual({ temperature: 0 });
});

test('what is streamed is the answer', async () => {
  const engine = new Engine();
  await engine.run(asks(record(real(2), file)), 'Go');
  const run = engine.run(asks(replay(file)), 'Go');
  const texts: Record<string, string> = { text: '', reasoning: '', args: '' };
  for await (const event of run) {
    if (event.type === 'text.delta') texts.text += event.text;
    if (event.type === 'reasoning.delta') texts.reasoning += event.text;
    if (event.type === 'tool.delta') texts.args += event.text;
  }
  expect(texts).toEqual({ text: 'Step 0.The sum is 14.', reasoning: 'All is known.', args: '{"of":"n0"}' });
});

test('a request that was recorded several times gets its answers in order, and then from the first again', async () => {
  const model = record(
    scripted((_, n) => `answer ${n}`),
    file,
  );
  for (let i = 0; i < 3; i++) await model.generate(say('Roll'), call());
  const again = replay(file);
  const said: string[] = [];
  for (let i = 0; i < 4; i++) said.push(textOf(await again.generate(say('Roll'), call())));
  expect(said).toEqual(['answer 0', 'answer 1', 'answer 2', 'answer 0']);
});

test('the order of fields does not matter, in the request and in the file', async () => {
  await record(scripted(['Yes.']), file).generate(say('Hello'), call());
  const { messages, ...rest } = say('Hello');
  const turned = { messages: messages.map(({ role, content }) => ({ content, role })), ...rest } as ModelRequest;
  expect(textOf(await replay(file).generate(turned, call()))).toBe('Yes.');
});

test('each message, tool and text of instructions is written once, as text that a person can read', async () => {
  await new Engine({ limits: { steps: 100 } }).run(asks(record(real(40), file)), 'Go');
  const text = readFileSync(file, 'utf8');
  const lines = text.trimEnd().split('\n');
  expect(text.match(/Sum the rates\./g)).toHaveLength(1);
  expect(text.match(/Finds a rate/g)).toHaveLength(1);
  // the answer, and once more as a message of the conversation
  expect(text.match(/"Step 3\."/g)).toHaveLength(2);
  // header, model, instructions, tool; for each step an answer, and the two messages before it
  expect(lines).toHaveLength(4 + 40 + 1 + 2 * 39);
  expect(lines[4]).toMatch(/^\{"id":"[0-9a-f]{16}","message":\{"role":"user","content":\[\{"type":"text","text":"Go"\}\]\}\}$/);
});

test('a recording that is made again from the same runs is the same file', async () => {
  const make = async (o?: RecordOptions) => {
    await new Engine().run(asks(record(real(), file, o)), 'Go');
    return readFileSync(file, 'utf8');
  };
  const before = await make();
  expect(await make({ existing: 'replace' })).toBe(before);
});

test('the data of a large image is written as its hash, and still tells two images apart', async () => {
  const image = (fill: string): ModelRequest => ({
    instructions: '',
    tools: [],
    messages: [{ role: 'user', content: [{ type: 'image', mediaType: 'image/png', data: fill.repeat(5_000) }] }],
  });
  await record(scripted(['A cat.']), file).generate(image('A'), call());
  expect(readFileSync(file, 'utf8').length).toBeLessThan(2_000);
  const again = replay(file);
  expect(textOf(await again.generate(image('A'), call()))).toBe('A cat.');
  await expect(again.generate(image('B'), call())).rejects.toMatchObject({ code: 'RECORDING_MISMATCH' });
});

test('runs that record at the same time do not disturb each other, through one wrapper or several', async () => {
  const engine = new Engine();
  const one = record(real(1), file);
  const two = record(real(1), file, { existing: 'add' });
  const names = Array.from({ length: 40 }, (_, i) => `run ${i}`);
  await Promise.all(names.map((name, i) => engine.run(asks(i % 2 ? one : two), name)));
  const model = replay(file);
  for (const name of names) expect((await engine.run(asks(model), name)).status).toBe('completed');
});

test('processes that record into one file at the same time lose no answer', async () => {
  const child = fileURLToPath(new URL('./child-records.ts', import.meta.url));
  const names = ['a', 'b', 'c'];
  const ran = await Promise.all(names.map((name) => promisify(execFile)(process.execPath, [child, file, name, '40'])));
  expect(ran.map(({ stderr }) => stderr)).toEqual(['', '', '']);
  const model = replay(file);
  for (const name of names)
    for (let n = 0; n < 40; n++)
      expect(textOf(await model.generate(say(`${name} asks ${n} `.padEnd(20_000, '.')), call()))).toBe(`${name} ${n}`);
});

test('a file that another process has just made, and not begun, is added to', async () => {
  writeFileSync(file, '');
  const [one, two] = [record(scripted(['one']), file, { existing: 'add' }), record(scripted(['two']), file, { existing: 'add' })];
  await one.generate(say('first'), call());
  // what the other process writes at last is what is there
  const begun = readFileSync(file, 'utf8').split('\n', 1)[0];
  writeFileSync(file, `${begun}\n${readFileSync(file, 'utf8')}`);
  await two.generate(say('second'), call());
  expect(textOf(await replay(file).generate(say('first'), call()))).toBe('one');
  expect(textOf(await replay(file).generate(say('second'), call()))).toBe('two');
});

test('a line that another process is writing is waited for', async () => {
  await record(scripted(['one']), file).generate(say('first'), call());
  const whole = readFileSync(file, 'utf8');
  const reading = vi.spyOn(fs, 'readFileSync').mockReturnValueOnce(whole.slice(0, -5));
  try {
    await record(scripted(['two']), file, { existing: 'add' }).generate(say('second'), call());
    expect(reading).toHaveBeenCalledTimes(2);
  } finally {
    reading.mockRestore();
  }
  expect(textOf(await replay(file).generate(say('second'), call()))).toBe('two');
});

test('failures are not recorded, and an attempt that is made again is recorded once', async () => {
  const flaky = scripted([{ error: 'THROTTLING' }, 'Well.'], { provider: 'p' });
  const sums = agent({ name: 'a', instructions: '', model: record(flaky, file), reliability: { model: { retry: { initialDelay: 1 } } } });
  expect((await new Engine().run(sums, 'Go')).status).toBe('completed');
  expect(readFileSync(file, 'utf8').match(/"answer"/g)).toHaveLength(1);
});

test('several models share a file, and a replay answers as one of them', async () => {
  const [a, b] = [scripted(['from a'], { provider: 'p', id: 'a' }), scripted(['from b'], { provider: 'p', id: 'b' })];
  await record(a, file).generate(say('Who?'), call());
  await record(b, file, { existing: 'add' }).generate(say('Who?'), call());
  expect(textOf(await replay(file, { model: 'p/b' }).generate(say('Who?'), call()))).toBe('from b');
  expect(textOf(await replay(file, { model: 'p/a' }).generate(say('Who?'), call()))).toBe('from a');
  expect(() => replay(file)).toThrow(/several models.*p\/a, p\/b/s);
  expect(() => replay(file, { model: 'p/c' })).toThrow(/no answer of p\/c/);
});

test('a request that is not in the recording fails the run, and the message shows what moved', async () => {
  const engine = new Engine();
  await engine.run(asks(record(real(), file)), 'All of them');

  const retold = await failing(engine.run(asks(replay(file), [looksUp()], 'Sum the prices.'), 'All of them'));
  expect(retold).toMatchObject({ code: 'RECORDING_MISMATCH', retryable: false });
  expect(retold.message).toContain('- instructions: recorded "Sum the rates.", now "Sum the prices."');
  expect(retold.message).toContain("existing: 'replace'");

  const tools = await failing(engine.run(asks(replay(file), [looksUp(), clock(() => '')] as never), 'All of them'));
  expect(tools.message).toContain('- tools: now with clock');

  const result = await failing(engine.run(asks(replay(file), [looksUp(8)]), 'All of them'));
  expect(result.message).toMatch(/- message 3 \(tool\): content\[0\]\.output\[0\]\.text: recorded .*7.*, now .*8/);

  const input = await failing(engine.run(asks(replay(file)), 'Some of them'));
  expect(input.message).toContain('- message 1 (user): content[0].text: recorded "All of them", now "Some of them"');

  const model = replay(file);
  await expect(model.generate(say('All of them'), call())).rejects.toThrow(/tools: now without look_up/);
  await expect(model.generate({ ...say('All of them'), output: { type: 'object' } }, call())).rejects.toThrow(/output: recorded nothing/);
  await expect(model.generate({ ...say('All of them'), toolChoice: 'none' }, call())).rejects.toThrow(
    /toolChoice: recorded nothing, now "none"/,
  );
});

test('a mismatch names the message that is new, if all before it are known', async () => {
  await record(scripted(['Yes.']), file).generate(say('Hello'), call());
  await expect(replay(file).generate(say('Hello', 'Yes.', 'And?'), call())).rejects.toThrow(/message 2.*recorded with 1 messages, now/);
});

test('the nearest request is the one with the longest common beginning', async () => {
  const model = record(scripted(['1', '2', '3']), file);
  await model.generate(say('A', 'B', 'C'), call());
  await model.generate(say('Bye', 'Bye.', 'Really'), call());
  await model.generate(say('A', 'B', 'D'), call());
  await expect(replay(file).generate(say('Bye', 'Bye.', 'Never'), call())).rejects.toThrow(
    /line 11.*\n- message 3 \(user\): content\[0\]\.text: recorded "Really", now "Never"\n/,
  );
});

test('a mismatch asks no other model of a fallback', async () => {
  await record(scripted(['Yes.']), file).generate(say('Hello'), call());
  const other = scripted(['Not from the recording.']);
  const model = fallback([replay(file), other]);
  const error = await failing(new Engine().run(agent({ name: 'a', instructions: '', model }), 'Hi'));
  expect(error.code).toBe('RECORDING_MISMATCH');
  expect(other.requests).toHaveLength(0);
});

test('secrets of the environment and of the option reach the file neither in requests nor in answers', async () => {
  vi.stubEnv('TRAVEL_API_KEY', 'k-8f3a9cZZ71');
  try {
    const model = scripted(['With k-8f3a9cZZ71 and hunter2hunter2, fine.']);
    const o = { secrets: { VAULT: 'hunter2hunter2' } };
    const request = { ...say('The key is k-8f3a9cZZ71'), instructions: 'Use hunter2hunter2.' };
    const answer = await record(model, file, o).generate(request, call());
    expect(textOf(answer)).toContain('k-8f3a9cZZ71');
    const text = readFileSync(file, 'utf8');
    expect(text).not.toMatch(/8f3a9c|hunter2/);
    expect(text).toContain('[secret TRAVEL_API_KEY]');
    // elsewhere the secret has another value
    vi.stubEnv('TRAVEL_API_KEY', 'other-0123-key');
    const elsewhere = { ...say('The key is other-0123-key'), instructions: 'Use correct-horse.' };
    const again = await replay(file, { secrets: { VAULT: 'correct-horse' } }).generate(elsewhere, call());
    expect(textOf(again)).toBe('With [secret TRAVEL_API_KEY] and [secret VAULT], fine.');
  } finally {
    vi.unstubAllEnvs();
  }
});

test('a secret that only the replaying process knows does not make a recorded text another one', async () => {
  await record(scripted(['Yes.']), file).generate(say('Build cafe-1234-x'), call());
  vi.stubEnv('BUILD_TOKEN', 'cafe-1234-x');
  try {
    expect(textOf(await replay(file).generate(say('Build cafe-1234-x'), call()))).toBe('Yes.');
  } finally {
    vi.unstubAllEnvs();
  }
});

test('redact evens out what is another in each run, and hides what is private', async () => {
  let now = '10:04';
  const tools = [clock(() => now)] as never;
  const model = () => scripted([{ toolCalls: [{ id: 'c', name: 'clock', input: {} }] }, 'Late, Ana Smith.']);
  const redact = (text: string) => text.replace(/\d\d:\d\d/g, 'TIME').replaceAll('Ana Smith', 'A. S.');
  const engine = new Engine();
  await engine.run(asks(record(model(), file, { redact }), tools), 'I am Ana Smith');
  expect(readFileSync(file, 'utf8')).not.toMatch(/Ana Smith|10:04/);
  now = '23:59';
  const result = await engine.run(asks(replay(file, { redact }), tools), 'I am Ana Smith');
  expect(result).toMatchObject({ status: 'completed', output: 'Late, A. S..' });
  expect((await failing(engine.run(asks(replay(file), tools), 'I am Ana Smith'))).code).toBe('RECORDING_MISMATCH');
});

test.each([
  ['throws', () => expect.fail('no such pattern'), 'no such pattern'],
  ['returns no text', () => undefined as never, 'it returned undefined'],
])('redact that %s on an answer fails the run as a recording, and nothing is written', async (_, fail, why) => {
  const redact = (text: string): string => (text.includes('Ana Smith') ? fail() : text);
  const result = await new Engine().run(asks(record(scripted(['Dear Ana Smith']), file, { redact }), []), 'Write.');
  expect(result).toMatchObject({ status: 'failed', error: { code: 'RECORDING_FAILED', message: expect.stringContaining(why) } });
  expect(readFileSync(file, 'utf8')).not.toContain('Ana Smith');
});

test('a run whose conversation is compacted has the same requests each time', async () => {
  const compact = [clearToolResults({ over: 500, keep: 1, least: 10 })];
  const long = tool({
    name: 'look_up',
    description: '',
    input: z.object({ of: z.string() }),
    effect: 'read',
    execute: ({ of }) => of.repeat(500),
  });
  const run = (model: Model) =>
    new Engine().run(agent({ name: 'a', instructions: '', model, tools: [long], compact }), 'x'.repeat(400), {
      limits: { steps: 20 },
    });
  const recorded = await run(record(real(8), file));
  expect(recorded.status).toBe('completed');
  expect(readFileSync(file, 'utf8')).toContain('is left out here');
  expect(await run(replay(file))).toMatchObject({ status: 'completed', steps: 8 });
  expect(readFileSync(file, 'utf8')).not.toContain(recorded.runId);
});

test('an existing file is neither lost nor mixed by accident', async () => {
  await record(scripted(['Old.']), file).generate(say('Hello'), call());
  const before = readFileSync(file, 'utf8');
  expect(codeOf(() => record(scripted([]), file))).toBe('RECORDING_EXISTS');
  expect(readFileSync(file, 'utf8')).toBe(before);
  await record(scripted(['New.']), file, { existing: 'replace' }).generate(say('Hello'), call());
  expect(textOf(await replay(file).generate(say('Hello'), call()))).toBe('New.');
});

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (RondoError.is(error)) return error.code;
    throw error;
  }
  return 'none';
};

test('a file that is missing, damaged, of a newer version or empty is a clear error', async () => {
  expect(codeOf(() => replay(file))).toBe('RECORDING_NOT_FOUND');
  expect(codeOf(() => record(scripted([]), join(dir, 'no', 'such', 'folder.jsonl')))).toBe('CONFIG_INVALID');
  record(scripted([]), file);
  expect(() => replay(file)).toThrow(/has no answers/);

  await record(scripted(['Yes.']), file, { existing: 'replace' }).generate(say('Hello'), call());
  const good = readFileSync(file, 'utf8');
  const lines = good.split('\n');
  const broken = (text: string) => {
    writeFileSync(file, text);
    expect(codeOf(() => record(scripted([]), file, { existing: 'add' }))).toBe(codeOf(() => replay(file)));
    return codeOf(() => replay(file));
  };
  expect(broken(good.slice(0, -9))).toBe('RECORDING_DAMAGED');
  expect(broken(good.replace('"answer"', '"answr"'))).toBe('RECORDING_DAMAGED');
  expect(broken(good.replace('"stop":"end"', '"stop":7'))).toBe('RECORDING_DAMAGED');
  expect(broken([...lines.slice(0, 3), ...lines.slice(4)].join('\n'))).toBe('RECORDING_DAMAGED');
  expect(broken(`${good}oops\n`)).toBe('RECORDING_DAMAGED');
  expect(broken(`${good}[1]\n`)).toBe('RECORDING_DAMAGED');
  expect(broken(`${good}{"id":"x","after":"y","message":{}}\n`)).toBe('RECORDING_DAMAGED');
  writeFileSync(file, '');
  expect(codeOf(() => replay(file))).toBe('RECORDING_DAMAGED');
  expect(broken('{"runs":[]}\n')).toBe('RECORDING_DAMAGED');
  expect(broken(good.replace('"version":1', '"version":2'))).toBe('RECORDING_VERSION');
  expect(() => replay(file)).toThrow(/version 2.*Upgrade rondo/s);
  writeFileSync(file, `${good}oops\n`);
  expect(() => replay(file)).toThrow(new RegExp(`line ${lines.length}: it is not JSON`));
});

test('an answer that cannot be written ends the run, and is not asked for again', async () => {
  const model = scripted(() => 'Yes.');
  const recording = record(model, file);
  rmSync(dir, { recursive: true });
  try {
    const error = await failing(new Engine().run(agent({ name: 'a', instructions: '', model: recording }), 'Hello'));
    expect(error).toMatchObject({ code: 'RECORDING_FAILED', retryable: false });
    expect(model.requests).toHaveLength(1);
    expect(existsSync(file)).toBe(false);
  } finally {
    dir = mkdtempSync(join(tmpdir(), 'recording-'));
  }
});

test('an answer that a person edits is the answer, and an edited message is what is asked', async () => {
  await record(scripted(['Yes.']), file).generate(say('Hello'), call());
  writeFileSync(file, readFileSync(file, 'utf8').replace('Yes.', 'No.').replace('"Hello"', '"Hi"'));
  expect(textOf(await replay(file).generate(say('Hi'), call()))).toBe('No.');
});

test('wrong options are refused by name', () => {
  const wrong = (work: () => unknown) => expect(codeOf(work)).toBe('CONFIG_INVALID');
  wrong(() => record(scripted([]), file, { exists: 'add' } as never));
  wrong(() => record(scripted([]), file, { existing: 'keep' } as never));
  wrong(() => record({} as never, file));
  wrong(() => record(scripted([]), ''));
  wrong(() => record(scripted([]), file, { redact: /x/ } as never));
  wrong(() => record(fallback([scripted([]), scripted([])]), file));
  wrong(() => replay('', {}));
  expect(existsSync(file)).toBe(false);
});
