import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join, relative } from 'node:path';
import * as sdk from '@aws-sdk/client-bedrock-runtime';
import { describe, expect, test } from 'vitest';
import { loadedBy } from '../../scripts/imports.ts';
import { clientFor } from '../../src/adapters/bedrock/client.ts';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import { folder } from '../kit/folder.ts';
import { http1Client, says } from '../wire/bedrock.ts';
import type { Call } from '../wire/server.ts';
import { ask, ID, MODES, machine, request, user, wire } from './setup.ts';

const w = wire();

describe('the client', () => {
  test('is one for each region and endpoint', () => {
    const one = clientFor(sdk, { region: 'eu-west-1' });
    expect(clientFor(sdk, { region: 'eu-west-1', temperature: 1 })).toBe(one);
    expect(clientFor(sdk, { region: 'eu-west-2' })).not.toBe(one);
    expect(clientFor(sdk, { region: 'eu-west-1', endpoint: 'http://localhost:1' })).not.toBe(one);
    expect(clientFor(sdk, {})).not.toBe(one);
  });

  test('does not give up on a model that thinks for longer than five minutes', async () => {
    const { requestHandler } = clientFor(sdk, { region: 'eu-west-1' }).config;
    const handler = requestHandler as unknown as { configProvider: Promise<{ sessionTimeout: number; disableConcurrentStreams: boolean }> };
    expect(await handler.configProvider).toMatchObject({ sessionTimeout: 3_600_000, disableConcurrentStreams: true });
  });

  test('the region reaches the signature', async () => {
    w.server.next(says('ok'));
    await ask(bedrock(ID, { endpoint: w.server.url, region: 'ap-southeast-2' }), request(), 'one-shot');
    expect(w.server.calls[0]?.headers.authorization).toContain('/ap-southeast-2/bedrock/aws4_request');
  });

  test('a Bedrock API key will do in place of credentials', async () => {
    machine({ AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, AWS_BEARER_TOKEN_BEDROCK: 'key-1' });
    w.server.next(says('ok'));
    await ask(bedrock(ID, { endpoint: `${w.server.url}/?bearer` }), request(), 'one-shot');
    expect(w.server.calls[0]?.headers.authorization).toBe('Bearer key-1');
  });

  test.each(MODES)('of one’s own, over HTTP/1.1 (%s)', async (mode) => {
    w.server.next(says('ok'));
    const client = http1Client(w.server.url);
    const { content } = await ask(bedrock(ID, { client }), request(), mode);
    client.destroy();
    expect(content).toEqual([{ type: 'text', text: 'ok' }]);
    expect(w.server.calls[0]?.protocol).toBe('http/1.1');
  });

  test('forty calls at once, each with its own answer', async () => {
    const before = w.server.otherwise;
    const waiting: (() => void)[] = [];
    // no one is answered before all have asked
    w.server.otherwise = async (call: Call) => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 40) for (const go of waiting) go();
      });
      return says({ content: [{ text: `re: ${call.input.messages[0].content[0].text}` }], deltas: (t) => [...t] })(call);
    };
    const model = bedrock(ID, { endpoint: w.server.url });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => ask(model, request({ messages: [user(`question ${i}`)] }), i % 2 ? 'stream' : 'one-shot')),
    );
    w.server.otherwise = before;
    expect(answers.map((a) => a.content)).toEqual(Array.from({ length: 40 }, (_, i) => [{ type: 'text', text: `re: question ${i}` }]));
    expect(answers.map((a) => a.deltas.map((d) => d.text).join(''))).toEqual(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? `re: question ${i}` : '')),
    );
  });

  test('leaves no connection open behind an answer', async () => {
    for (const mode of MODES) {
      w.server.next(says('ok'));
      await ask(bedrock(ID, { endpoint: w.server.url }), request(), mode);
    }
    await expect.poll(() => w.server.connections).toBe(0);
  });

  test('the request is not mutated', async () => {
    const r = request({ instructions: 'x', messages: [user('a')], tools: [{ name: 'a.b', description: '', input: {} }] });
    const before = JSON.stringify(r);
    w.server.next(says('ok'));
    await ask(bedrock(ID, { endpoint: w.server.url, cache: true }), r, 'one-shot');
    expect(JSON.stringify(r)).toBe(before);
  });
});

describe('without the SDK', () => {
  test('a model can be declared; its first call says what to install', () => {
    // the sources alone, out of reach of any node_modules
    const cwd = folder('bedrock');
    const src = join(import.meta.dirname, '../../src');
    for (const file of loadedBy(join(src, 'adapters/bedrock/index.ts'), { later: true })) cpSync(file, join(cwd, relative(src, file)));
    const program = `
      import fs from 'node:fs';
      import { bedrock } from './adapters/bedrock/index.ts';
      const model = bedrock('anthropic.claude-x');
      console.log(model.id);
      const call = { signal: new AbortController().signal };
      const request = { instructions: '', messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }], tools: [] };
      const stub = 'export class BedrockRuntimeClient { send() { throw new TypeError("installed meanwhile"); } } export class ConverseCommand {}';
      for (const n of [1, 2, 3]) {
        if (n === 3) {
          const home = 'node_modules/@aws-sdk/client-bedrock-runtime/';
          fs.mkdirSync(home, { recursive: true });
          fs.writeFileSync(home + 'package.json', '{"type":"module","exports":"./index.js"}');
          fs.writeFileSync(home + 'index.js', stub);
        }
        await model.generate(request, call).catch((e) => console.log(JSON.stringify([e.name, e.code, e.message, e.cause?.code])));
      }
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { cwd, encoding: 'utf8' });
    const [id, ...errors] = stdout.trim().split('\n');
    // no restart is needed once it is there
    expect(errors.pop()).toContain('installed meanwhile');
    expect(id, stderr).toBe('anthropic.claude-x');
    expect(errors).toHaveLength(2);
    for (const line of errors) {
      const [name, code, message, cause] = JSON.parse(line);
      expect([name, code, cause]).toEqual(['RondoError', 'CONFIG_INVALID', 'ERR_MODULE_NOT_FOUND']);
      expect(message).toContain('npm install @aws-sdk/client-bedrock-runtime');
    }
  });
});
