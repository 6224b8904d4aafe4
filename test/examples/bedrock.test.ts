/** RONDO_MODEL=bedrock:<id> npm start, against Bedrock's wire: what changes is the model, and nothing else of the job. */
import type { ContentBlock } from '@aws-sdk/client-bedrock-runtime';
import type { Message, Part } from 'rondo';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decide } from '../../examples/ticket-triage/standin.ts';
import { bedrockWire, fails, says } from '../wire/bedrock.ts';
import type { Call, WireServer } from '../wire/server.ts';
import { copied, mails, run, temp } from './process.ts';

const MODEL = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
let server: WireServer;
beforeAll(async () => {
  server = await bedrockWire();
});
afterAll(() => server.close());

/** Stands for a model that works well: it moves as the rules do, in the words of the wire. */
function wellBehaved(call: Call) {
  const messages = (call.input.messages as { role: 'user' | 'assistant'; content: ContentBlock[] }[]).map(
    ({ role, content }): Message => ({ role: content.some((b) => b.toolResult) ? 'tool' : role, content: content.flatMap(part) }),
  );
  const { parts } = decide({ instructions: '', messages, tools: [] });
  const content = parts.flatMap((p): ContentBlock[] => {
    if (p.type === 'toolCall') return [{ toolUse: { toolUseId: p.id, name: p.name, input: p.input as never } }];
    return p.type === 'text' ? [{ text: p.text }] : [];
  });
  return says({ content: [...(content[0]?.text ? [] : [{ text: 'One moment.' }]), ...content] })(call);
}

function part(block: ContentBlock): Part[] {
  if (block.text !== undefined) return [{ type: 'text', text: block.text }];
  if (block.toolUse)
    return [{ type: 'toolCall', id: block.toolUse.toolUseId ?? '', name: block.toolUse.name ?? '', input: block.toolUse.input as never }];
  if (!block.toolResult) return [];
  const { toolUseId: id = '', content = [], status } = block.toolResult;
  const text = content.map((c) => c.text ?? JSON.stringify(c.json)).join('');
  return [{ type: 'toolResult', id, output: [{ type: 'text', text }], ...(status === 'error' && { isError: true }) }];
}

it('does the same job on a model of Bedrock, throttled once, in two processes', async () => {
  const dir = temp();
  const env = {
    RONDO_MODEL: `bedrock:${MODEL}`,
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: server.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/nowhere/config',
    AWS_SHARED_CREDENTIALS_FILE: '/nowhere/credentials',
  };
  server.next(fails('ThrottlingException', 'slow down', { status: 429 }));
  server.otherwise = wellBehaved;
  const first = await run(dir, ['--faults', 'none'], { env });
  expect({ code: first.code, err: first.err }).toEqual({ code: 0, err: '' });
  expect(first.out).toContain(`MODEL bedrock/${MODEL}\n`);
  expect(first.out).not.toContain('STAND-IN');
  expect(first.out).toMatch(/attempt 1: THROTTLING, wait \d+ ms/);
  expect(first.out).toMatch(/THINK \S*claude-sonnet-4-5\S* +11 in +7 out \$0\.000\d+\n +One moment\./);
  const second = await run(dir, copied(first.out), { env });
  expect(second.out).toMatch(/COMPLETED {2}4 steps, 5 tools ran, 1 retry, 1 approval\n/);
  expect(second.out).toMatch(/cost {2}\$0\.000\d+ \(44 tokens in, 28 out\)/);
  expect(mails(dir)).toHaveLength(1);
  const [asked] = server.calls.slice(-1);
  expect(asked?.input.system).toMatchObject([
    { text: expect.stringContaining('You triage support tickets') },
    { cachePoint: { type: 'default' } },
  ]);
});
