/** A session keeps the version of the runtime with which it began. */
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { until } from '../kit/time.ts';
import { call, type Deployed, deployed, IMAGE, sessionId } from './runtime.ts';
import { runs } from './sessions.ts';

/** Makes another version. */
const update = ({ controls, id }: Deployed, more: Partial<control.UpdateAgentRuntimeCommandInput> = {}) =>
  controls.send(
    new control.UpdateAgentRuntimeCommand({
      agentRuntimeId: id,
      roleArn: 'arn:aws:iam::123456789012:role/rt',
      networkConfiguration: { networkMode: 'PUBLIC' },
      agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
      ...more,
    }),
  );

test('a session keeps its version when the runtime is updated, a new one gets the new; both end with the runtime', async () => {
  const of = await deployed();
  const env = async (session: string) => (await call<Record<string, string>>(of, session, { act: 'env' })).MODE;
  const { pid } = await call<{ pid: number }>(of, 'old', { act: 'pid' });
  await update(of, { environmentVariables: { MODE: 'second' } });
  expect([await env('old'), await env('new')]).toEqual([undefined, 'second']);
  await of.controls.send(new control.DeleteAgentRuntimeCommand({ agentRuntimeId: of.id }));
  await until(() => !runs(pid));
});

test('a session is asked by the protocol of its version, also where a newer one speaks another', async () => {
  const of = await deployed();
  const asked = async (name: string) => {
    const runtimeSessionId = sessionId(name);
    const input = { agentRuntimeArn: of.arn, runtimeSessionId, contentType: 'application/json', payload: Buffer.from('{}') };
    const { response, mcpSessionId } = await of.client.send(new data.InvokeAgentRuntimeCommand(input));
    const { path } = JSON.parse((await response?.transformToString()) as string) as { path: string };
    const { 'mcp-session-id': told } = await call<Record<string, string>>(of, name, { act: 'headers' });
    return { path, ofMcp: [mcpSessionId, told].map((id) => id === runtimeSessionId) };
  };
  const HTTP = { path: '/invocations', ofMcp: [false, false] };
  const MCP = { path: '/mcp', ofMcp: [true, true] };
  expect(await asked('http')).toEqual(HTTP);
  await update(of, { protocolConfiguration: { serverProtocol: 'MCP' } });
  expect([await asked('http'), await asked('mcp')]).toEqual([HTTP, MCP]);
  await update(of);
  expect([await asked('http'), await asked('mcp'), await asked('new')]).toEqual([HTTP, MCP, HTTP]);
});
