import * as data from '@aws-sdk/client-bedrock-agentcore';
import { expect, test } from 'vitest';
import { deployed, sessionId } from './runtime.ts';

test.each([
  ['throttle', 'ThrottlingException', 429],
  ['error', 'InternalServerException', 500],
])('an injected %s is the error of the model in the official data client', async (kind, name, status) => {
  const of = await deployed({}, { faults: [`${kind}=InvokeAgentRuntime`], attempts: 3 });
  const invoking = of.client.send(
    new data.InvokeAgentRuntimeCommand({ agentRuntimeArn: of.arn, runtimeSessionId: sessionId('one'), payload: Buffer.from('{}') }),
  );
  await expect(invoking).rejects.toMatchObject({ name, $metadata: { httpStatusCode: status, attempts: 3 } });
  expect(of.server.calls().filter(({ operation }) => operation === 'InvokeAgentRuntime')).toHaveLength(3);
});

test('a stream that breaks after its first chunk is an error in the client, not an end', async () => {
  const of = await deployed({}, { faults: ['reset-stream=InvokeAgentRuntime'] });
  const { response } = await of.client.send(
    new data.InvokeAgentRuntimeCommand({
      agentRuntimeArn: of.arn,
      runtimeSessionId: sessionId('one'),
      contentType: 'application/json',
      payload: Buffer.from(JSON.stringify({ act: 'stream', chunks: 1, hold: true })),
    }),
  );
  let text = '';
  const reading = (async () => {
    for await (const chunk of response as unknown as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString();
  })();
  await expect(reading).rejects.toThrow();
  expect(text).toBe('data: 0\n\n');
});
