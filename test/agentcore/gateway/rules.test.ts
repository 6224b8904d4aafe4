/** Rules of gateways: which target of http gets a request, and how long a session stays with it. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { signedHeaders } from '../../../src/server/sigv4.ts';
import { folder } from '../../kit/folder.ts';
import { started } from '../memory/kit.ts';
import { deployed, sessionId } from '../runtime.ts';
import { gatewayOf, SESSION, service } from './http-kit.ts';

type Rule = Omit<control.CreateGatewayRuleCommandInput, 'gatewayIdentifier' | 'priority'> & { priority?: number };

const to = (targetName: string): control.Action => ({ routeToTarget: { staticRoute: { targetName } } });
const split = (weight = 50): control.Action => ({
  routeToTarget: {
    weightedRoute: {
      trafficSplit: [
        { name: 'control', weight, targetName: 'blue' },
        { name: 'canary', weight: 100 - weight, targetName: 'green' },
      ],
    },
  },
});

/** Two services, `blue` and `green`, that answer with their names and the path that they were asked for. */
async function coloured(
  passthrough: Partial<control.PassthroughTargetConfiguration> = {},
  { keys = 1, state }: { keys?: number; state?: string } = {},
) {
  const blue = await service(({ url }, response) => void response.end(`blue ${url}`));
  const green = await service(({ url }, response) => void response.end(`green ${url}`));
  const own = Array.from({ length: keys }, (_, i) => ({ accessKeyId: `AKIDEXAMPLE${i}`, secretAccessKey: `secret${i}` }));
  const of = await started({
    bindings: {
      'url:https://blue.example': Object.values(blue.bindings)[0] as string,
      'url:https://green.example': Object.values(green.bindings)[0] as string,
    },
    keys: own,
    ...(state !== undefined && { state }),
  });
  const gateway = await gatewayOf(of);
  for (const name of ['blue', 'green'])
    await gateway.target(
      { passthrough: { endpoint: `https://${name}.example/v1`, protocolType: 'CUSTOM', ...passthrough } },
      undefined,
      name,
    );
  const at = { gatewayIdentifier: gateway.id };
  return {
    ...of,
    ...gateway,
    at,
    async rule({ priority = 100, ...rule }: Rule) {
      const made = await of.controls.send(new control.CreateGatewayRuleCommand({ ...at, priority, ...rule }));
      await of.server.clock.advance(2_000);
      return made;
    },
    async ask(path: string, headers: Record<string, string> = {}, key = 0) {
      const url = new URL(`${gateway.url}${path}`);
      const request = { method: 'GET', url, headers, body: '' };
      const about = { region: 'us-east-1', service: 'bedrock-agentcore', at: of.server.clock.now() };
      const signed = signedHeaders(request, own[key] as (typeof own)[number], about);
      const answer = await fetch(url, { headers: { ...headers, ...signed } });
      return answer.status === 200 ? answer.text() : answer.status;
    },
  };
}

test('a rule without conditions sends every request to its target, from when it is ACTIVE until it is deleted', async () => {
  const { ask, at, controls, server, id } = await coloured();
  expect(await ask('/blue/x')).toBe('blue /v1/x');
  const made = await controls.send(
    new control.CreateGatewayRuleCommand({ ...at, priority: 100, actions: [to('green')], description: 'all to green' }),
  );
  const { ruleId = '' } = made;
  expect(made).toMatchObject({ status: 'CREATING', priority: 100, gatewayArn: expect.stringContaining(id) });
  expect(await ask('/blue/x')).toBe('blue /v1/x');
  await server.clock.advance(2_000);
  const found = await controls.send(new control.GetGatewayRuleCommand({ ...at, ruleId }));
  expect(found).toMatchObject({ status: 'ACTIVE', description: 'all to green', actions: [to('green')] });
  expect([await ask('/blue/x?a=1'), await ask('/other/y')]).toEqual(['green /v1/x?a=1', 'green /v1/y']);
  expect(await controls.send(new control.DeleteGatewayRuleCommand({ ...at, ruleId }))).toMatchObject({ status: 'DELETING' });
  expect(await ask('/blue/x')).toBe('blue /v1/x');
  await server.clock.advance(2_000);
  await expect(controls.send(new control.GetGatewayRuleCommand({ ...at, ruleId }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
});

test('the rule with the lowest number that fits decides: all conditions of it, and one entry of each', async () => {
  const { ask, rule, at, controls } = await coloured({}, { keys: 2 });
  const arn = (key: number) => `arn:aws:iam::123456789012:user/AKIDEXAMPLE${key}`;
  const paths: control.Condition = { matchPaths: { anyOf: ['/blue/*', '/green/*'] } };
  const principals = (iamPrincipal: control.IamPrincipal): control.Condition => ({ matchPrincipals: { anyOf: [{ iamPrincipal }] } });
  await rule({ priority: 300, actions: [to('blue')] });
  const { ruleId } = await rule({
    priority: 100,
    conditions: [{ matchPaths: { anyOf: ['/blue/*'] } }, principals({ arn: arn(1) })],
    actions: [to('green')],
  });
  expect([await ask('/blue/x'), await ask('/blue/x', {}, 1), await ask('/green/x', {}, 1)]).toEqual([
    'blue /v1/x',
    'green /v1/x',
    'blue /v1/x',
  ]);
  // the target itself is not a path under it
  expect(await ask('/blue', {}, 1)).toBe('blue /v1');
  const like = [paths, principals({ arn: 'arn:aws:iam::*:user/AKID*1', operator: 'StringLike' })];
  await controls.send(new control.UpdateGatewayRuleCommand({ ...at, ruleId, conditions: like }));
  expect([await ask('/green/x', {}, 1), await ask('/green/x')]).toEqual(['green /v1/x', 'blue /v1/x']);
  const equal = [principals({ arn: 'arn:aws:iam::*:user/AKID*1' })];
  await controls.send(new control.UpdateGatewayRuleCommand({ ...at, ruleId, conditions: equal, priority: 200 }));
  expect(await ask('/green/x', {}, 1)).toBe('blue /v1/x');
  const { gatewayRules } = await controls.send(new control.ListGatewayRulesCommand(at));
  expect(gatewayRules?.map(({ priority }) => priority).sort()).toEqual([200, 300]);
});

test('weights split what has no session, and a session stays with its target as long as requests come', async () => {
  const { ask, rule, server } = await coloured();
  await rule({ actions: [split()] });
  const without = new Set<unknown>();
  for (let i = 0; i < 60; i++) without.add(await ask('/blue/x'));
  expect(without).toEqual(new Set(['blue /v1/x', 'green /v1/x']));
  const of = async (name: string) => String(await ask('/blue/x', { [SESSION]: sessionId(name) }));
  const first = new Map<string, string>();
  for (let i = 0; i < 30; i++) first.set(`s${i}`, await of(`s${i}`));
  expect(new Set(first.values()).size).toBe(2);
  await server.clock.advance(3_500_000);
  for (const [name, target] of first) expect([name, await of(name)]).toEqual([name, target]);
  await server.clock.advance(3_500_000);
  for (const [name, target] of first) expect([name, await of(name)]).toEqual([name, target]);
});

test('a target says how a session is known, and how long it stays', async () => {
  const identifier = '$context.header.X-Chat';
  const { ask, rule, server, at, controls } = await coloured({
    stickinessConfiguration: { identifier, compositeIdentifier: ['$context.header.x-user'], timeout: 60 },
  });
  const { ruleId } = await rule({ actions: [split(99)] });
  const chat = (user: string) => ask('/blue/x', { 'x-chat': 'c1', 'x-user': user });
  const stays = await chat('ana');
  await controls.send(new control.UpdateGatewayRuleCommand({ ...at, ruleId, actions: [split(1)] }));
  for (let i = 0; i < 20; i++) expect(await chat('ana')).toBe(stays);
  // another user is another session, and most of them go to green now
  const others = new Set<unknown>();
  for (let i = 0; i < 20; i++) others.add(await chat(`user${i}`));
  expect(others.has('green /v1/x')).toBe(true);
  await server.clock.advance(61_000);
  const again = new Set<unknown>();
  for (let i = 0; i < 20; i++) {
    again.add(await chat('ana'));
    await server.clock.advance(61_000);
  }
  expect(again.has('green /v1/x')).toBe(true);
});

test('a session that a runtime has begun stays with that runtime', async () => {
  const of = await deployed();
  const { agentRuntimeArtifact } = await of.controls.send(new control.GetAgentRuntimeCommand({ agentRuntimeId: of.id }));
  const other = await of.controls.send(
    new control.CreateAgentRuntimeCommand({
      agentRuntimeName: 'other',
      roleArn: 'arn:aws:iam::123456789012:role/rt',
      networkConfiguration: { networkMode: 'PUBLIC' },
      agentRuntimeArtifact,
      environmentVariables: { COLOUR: 'green' },
    }),
  );
  await of.server.clock.advance(2_000);
  const { url, target, id } = await gatewayOf(of, { authorizerType: 'NONE' });
  await target({ agentcoreRuntime: { arn: of.arn } }, undefined, 'blue');
  await target({ agentcoreRuntime: { arn: other.agentRuntimeArn as string } }, undefined, 'green');
  await of.controls.send(new control.CreateGatewayRuleCommand({ gatewayIdentifier: id, priority: 1, actions: [split()] }));
  await of.server.clock.advance(2_000);
  const ask = (session?: string) =>
    fetch(`${url}/blue/invocations`, {
      method: 'POST',
      body: '{"act":"env"}',
      headers: session === undefined ? {} : { [SESSION]: session },
    });
  for (let i = 0; i < 3; i++) {
    const first = await ask();
    const { COLOUR } = (await first.json()) as { COLOUR?: string };
    const session = first.headers.get(SESSION) as string;
    expect(session.length).toBeGreaterThanOrEqual(33);
    for (let j = 0; j < 4; j++) expect(((await (await ask(session)).json()) as { COLOUR?: string }).COLOUR).toBe(COLOUR);
  }
});

const READY = 'READY target of http';
test.each<[string, Rule, string, string]>([
  ['a target that is not there', { actions: [to('red')] }, 'ValidationException', READY],
  [
    'a path of one that is not there',
    { conditions: [{ matchPaths: { anyOf: ['/red/*'] } }], actions: [to('blue')] },
    'ValidationException',
    READY,
  ],
  [
    'a path that is not one of a target',
    { conditions: [{ matchPaths: { anyOf: ['/blue/x'] } }], actions: [to('blue')] },
    'ValidationException',
    '/<target>/*',
  ],
  ['a reserved path', { conditions: [{ matchPaths: { anyOf: ['/mcp/*'] } }], actions: [to('blue')] }, 'ValidationException', '/<target>/*'],
  [
    'weights that are not 100',
    {
      actions: [
        {
          routeToTarget: {
            weightedRoute: {
              trafficSplit: [
                { name: 'a', weight: 50, targetName: 'blue' },
                { name: 'b', weight: 49, targetName: 'green' },
              ],
            },
          },
        },
      ],
    },
    'ValidationException',
    '100',
  ],
  [
    'two conditions of a kind',
    { conditions: [{ matchPaths: { anyOf: ['/blue/*'] } }, { matchPaths: { anyOf: ['/green/*'] } }], actions: [to('blue')] },
    'ValidationException',
    'one condition',
  ],
  ['two routes', { actions: [to('blue'), to('green')] }, 'ValidationException', 'one action'],
  ['a priority of 0', { priority: 0, actions: [to('blue')] }, 'ValidationException', 'priority'],
  ['a priority that is in use', { priority: 7, actions: [to('blue')] }, 'ConflictException', '7'],
  [
    'a configuration bundle',
    {
      actions: [
        {
          configurationBundle: {
            staticOverride: {
              bundleArn: 'arn:aws:bedrock-agentcore:us-east-1:123456789012:configuration-bundle/b-abcdefghij',
              bundleVersion: '1',
            },
          },
        },
      ],
    },
    'NotImplementedException',
    'configuration bundles',
  ],
])('%s is refused', async (_, given, name, why) => {
  const { rule } = await coloured();
  await rule({ priority: 7, actions: [to('blue')] });
  await expect(rule(given)).rejects.toMatchObject({ name, message: expect.stringContaining(why) });
});

test('the rules of a gateway go with it, and what a rule names may go before it', async () => {
  const state = join(folder('rules'), 'state.db');
  const { rule, controls, at, ask, server } = await coloured({}, { state });
  await rule({ actions: [to('green')] });
  await controls.send(
    new control.CreateGatewayRateLimitCommand({
      ...at,
      dimensionKeys: ['targetName'],
      entries: [{ dimensions: { targetName: '*' }, requests: [{ rate: 100, period: 'second' }] }],
    }),
  );
  const { items = [] } = await controls.send(new control.ListGatewayTargetsCommand(at));
  for (const { targetId, name } of items)
    if (name === 'green') await controls.send(new control.DeleteGatewayTargetCommand({ ...at, targetId }));
  expect(await ask('/blue/x')).toBe(404);
  for (const { targetId, name } of items)
    if (name === 'blue') await controls.send(new control.DeleteGatewayTargetCommand({ ...at, targetId }));
  await server.clock.advance(2_000);
  await controls.send(new control.DeleteGatewayCommand(at));
  await server.clock.advance(2_000);
  await expect(controls.send(new control.ListGatewayRulesCommand(at))).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  // nothing of it stays in the file, which the server has for itself
  await server.close();
  const db = new DatabaseSync(state, { readOnly: true });
  expect(db.prepare("SELECT kind FROM resource WHERE kind LIKE 'gateway%' AND kind <> 'gateway'").all()).toEqual([]);
  db.close();
});
