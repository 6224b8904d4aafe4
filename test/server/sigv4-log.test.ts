// What the log says of a request that is wrongly signed.
import { expect, test } from 'vitest';
import { signedHeaders } from '../../src/server/sigv4.ts';
import { checkSignature } from '../../src/server/sigv4-check.ts';

test('the canonical request is told without the values of headers and parameters that may be tokens', () => {
  const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'one', sessionToken: 'SESSION-TOKEN' };
  const at = Date.UTC(2026, 0, 1);
  const request = {
    method: 'POST',
    url: new URL('https://gateway.example/runtimes/a/invocations?a=b'),
    headers: {
      host: 'gateway.example',
      'content-type': 'application/json',
      'x-amz-bedrock-agentcore-identity-wat': 'WORKLOAD-TOKEN',
      'x-amzn-bedrock-agentcore-runtime-custom-token': 'CUSTOM-TOKEN',
    },
    body: '{}',
  };
  const headers = { ...request.headers, ...signedHeaders(request, keys, { region: 'us-east-1', service: 'bedrock-agentcore', at }) };
  let thrown: { because?: string } = {};
  try {
    checkSignature(
      { ...request, path: '/runtimes/a/invocations', query: new URLSearchParams('a=b'), headers },
      [{ ...keys, secretAccessKey: 'two' }],
      at,
      'bedrock-agentcore',
    );
  } catch (error) {
    thrown = error as typeof thrown;
  }
  expect(thrown.because).toContain('content-type:application/json');
  expect(thrown.because).toContain('x-amz-bedrock-agentcore-identity-wat:(hidden, 14 characters)');
  expect(thrown.because).not.toMatch(/[A-Z]+-TOKEN/);
});
