import { BedrockAgentCoreClient, InvokeAgentRuntimeCommand } from '@aws-sdk/client-bedrock-agentcore';
import { BedrockAgentCoreControlClient, UntagResourceCommand } from '@aws-sdk/client-bedrock-agentcore-control';
import { RuntimeClient } from 'bedrock-agentcore/runtime';
import { afterEach, expect, test, vi } from 'vitest';
import { targetOf } from '../../src/adapters/agentcore/wire/server.ts';
import { verified } from '../../src/adapters/agentcore/wire/sigv4.ts';
import { flip, type Sent, taken } from './taken.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'the secret of the key', sessionToken: 'the/token+of=it' };
const ARN = 'arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/demo-abcdefghij';
const ENDPOINT = { endpoint: 'http://127.0.0.1:4566', region: 'us-east-1', credentials: KEY };

/** The name of the error that refuses a request; undefined if it is accepted. */
function refusal({ method, path: target, headers, body }: Sent, now = Date.now()): string | undefined {
  const { path, query } = targetOf(target);
  try {
    verified({ method, path, query, headers, body: Buffer.from(body, 'latin1') }, [KEY], now);
    return undefined;
  } catch (error) {
    return (error as Error).name;
  }
}

const invoke = () =>
  taken(
    new BedrockAgentCoreClient(ENDPOINT),
    new InvokeAgentRuntimeCommand({
      agentRuntimeArn: ARN,
      qualifier: 'prod',
      runtimeSessionId: 'a-session-of-at-least-thirty-three-characters',
      contentType: 'application/json',
      payload: new TextEncoder().encode('{"prompt":"hi there"}'),
    }),
  );
const untag = () =>
  taken(new BedrockAgentCoreControlClient(ENDPOINT), new UntagResourceCommand({ resourceArn: ARN, tagKeys: ['a b', 'c/d', 'é'] }));

test.each([
  ['InvokeAgentRuntime', invoke],
  ['UntagResource', untag],
])(
  '%s: the request of the client is accepted, and one changed bit in any byte of the path, query, body or a signed header is refused',
  async (_, take) => {
    const sent = await take();
    expect(refusal(sent)).toBeUndefined();
    const changed = [
      ...Array.from(sent.path, (_, at) => ({ ...sent, path: flip(sent.path, at) })),
      ...Array.from(sent.body, (_, at) => ({ ...sent, body: flip(sent.body, at) })),
      { ...sent, method: 'GET' },
      { ...sent, body: `${sent.body} ` },
    ];
    expect(changed.filter((one) => refusal(one) !== 'InvalidSignatureException')).toEqual([]);
    const signed = /SignedHeaders=([^,]+)/.exec(sent.headers.authorization as string)?.[1]?.split(';') as string[];
    expect(signed).toEqual(expect.arrayContaining(['host', 'x-amz-date', 'x-amz-security-token']));
    for (const name of [...signed, 'authorization'])
      for (const at of Array.from(sent.headers[name] as string).keys()) {
        const headers = { ...sent.headers, [name]: flip(sent.headers[name] as string, at) };
        // the scheme and the names of the fields of `authorization` are of other rules, which refuse too
        expect(refusal({ ...sent, headers }), `${name} ${at}`).toMatch(
          /^(InvalidSignature|IncompleteSignature|UnrecognizedClient|MissingAuthenticationToken)Exception$/,
        );
      }
  },
);

/** A signed URL as the SDK of AgentCore makes it. */
async function presigned(): Promise<Sent> {
  vi.stubEnv('BEDROCK_AGENTCORE_DATA_PLANE_ENDPOINT', ENDPOINT.endpoint);
  const client = new RuntimeClient({ region: 'us-east-1', credentialsProvider: async () => KEY });
  const url = new URL(
    await client.generatePresignedUrl({ runtimeArn: ARN, expires: 60, sessionId: 'a-session-of-at-least-thirty-three-characters' }),
  );
  // the SDK leaves the port out, of the URL and of what it signs
  return { method: 'GET', path: `${url.pathname}${url.search}`, headers: { host: '127.0.0.1:4566' }, body: '' };
}

test('a presigned URL of the SDK is accepted until it expires, and refused with one changed bit', async () => {
  const sent = await presigned();
  const now = Date.now();
  expect(refusal(sent, now)).toBeUndefined();
  expect(refusal(sent, now + 62_000)).toBe('InvalidSignatureException');
  expect(refusal({ ...sent, body: 'x' }, now)).toBe('InvalidSignatureException');
  expect(refusal({ ...sent, headers: { host: 'other.example' } }, now)).toBe('InvalidSignatureException');
  const accepted = Array.from(sent.path, (_, at) => flip(sent.path, at)).filter((path) => refusal({ ...sent, path }, now) === undefined);
  expect(accepted).toEqual([]);
});
