import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { jwtOf, start, tokenFor } from './server.ts';

const NAME = 'desk';
const create = (more: object = {}) => new control.CreateWorkloadIdentityCommand({ name: NAME, ...more });

test('a workload identity is created, changed, listed and deleted', async () => {
  const { controls, server } = await start();
  const urls = ['https://app.example/callback'];
  const created = await controls.send(create({ allowedResourceOauth2ReturnUrls: urls }));
  const arn = 'arn:aws:bedrock-agentcore:us-east-1:123456789012:workload-identity-directory/default/workload-identity/desk';
  expect(created).toMatchObject({ name: NAME, workloadIdentityArn: arn, allowedResourceOauth2ReturnUrls: urls });
  await server.clock.advance(1_000);
  const more = [...urls, 'http://localhost:3000/callback'];
  await controls.send(new control.UpdateWorkloadIdentityCommand({ name: NAME, allowedResourceOauth2ReturnUrls: more }));
  const got = await controls.send(new control.GetWorkloadIdentityCommand({ name: NAME }));
  expect(got.allowedResourceOauth2ReturnUrls).toEqual(more);
  expect(Number(got.lastUpdatedTime) - Number(got.createdTime)).toBe(1_000);
  await controls.send(create({ name: 'other' }));
  const listed = await controls.send(new control.ListWorkloadIdentitiesCommand({ maxResults: 1 }));
  expect(listed).toMatchObject({ workloadIdentities: [{ name: NAME, workloadIdentityArn: arn }], nextToken: expect.any(String) });
  await controls.send(new control.DeleteWorkloadIdentityCommand({ name: NAME }));
  await expect(controls.send(new control.GetWorkloadIdentityCommand({ name: NAME }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
    $metadata: { httpStatusCode: 404 },
  });
});

test('a name in use is refused', async () => {
  const { controls } = await start();
  await controls.send(create());
  await expect(controls.send(create())).rejects.toMatchObject({ name: 'ValidationException', reason: 'ResourceConflict' });
});

test('workload identities and providers of keys have tags', async () => {
  const { controls } = await start();
  const { workloadIdentityArn } = await controls.send(create({ tags: { team: 'a' } }));
  const { credentialProviderArn } = await controls.send(
    new control.CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: 'k-1', tags: { team: 'b' } }),
  );
  for (const [resourceArn, team] of [
    [workloadIdentityArn, 'a'],
    [credentialProviderArn, 'b'],
  ] as const) {
    await controls.send(new control.TagResourceCommand({ resourceArn, tags: { stage: 'test' } }));
    expect((await controls.send(new control.ListTagsForResourceCommand({ resourceArn }))).tags).toEqual({ team, stage: 'test' });
  }
});

test('a workload token is refused when it was changed, is an hour old, or its workload was made again', async () => {
  const started = await start();
  const { controls, client, server } = started;
  await controls.send(create());
  await controls.send(new control.CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: 'k-1' }));
  const key = (workloadIdentityToken: string) =>
    client.send(new data.GetResourceApiKeyCommand({ workloadIdentityToken, resourceCredentialProviderName: 'weather' }));
  const refused = { name: 'UnauthorizedException', $metadata: { httpStatusCode: 401 } };
  const token = await tokenFor(started, NAME);
  expect((await key(token)).apiKey).toBe('k-1');
  await expect(key(`${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`)).rejects.toMatchObject(refused);
  await server.clock.advance(3_599_999);
  await key(token);
  await server.clock.advance(1);
  await expect(key(token)).rejects.toMatchObject(refused);
  expect(server.calls().at(-1)?.rule).toBe('The workload token is older than 60 minutes.');
  const next = await tokenFor(started, NAME, { userId: 'ana' });
  await controls.send(new control.DeleteWorkloadIdentityCommand({ name: NAME }));
  await server.clock.advance(1);
  await controls.send(create());
  await expect(key(next)).rejects.toMatchObject(refused);
});

test.each([
  ['not a JWT', 'aaa.bbb.ccc', 'not a JWT'],
  ['without a subject', jwtOf({ iss: 'https://idp.example', exp: 9e9 }), 'no iss, or no sub'],
  ['without an end', jwtOf({ iss: 'https://idp.example', sub: 'ana' }), 'no exp'],
  ['that has expired', jwtOf({ iss: 'https://idp.example', sub: 'ana', exp: 1 }), 'has expired'],
  ['that is not valid yet', jwtOf({ iss: 'https://idp.example', sub: 'ana', exp: 9e9, nbf: 8e9 }), 'not valid before'],
])('a user token %s is refused, and the log says why', async (_, userToken, why) => {
  const started = await start();
  await started.controls.send(create());
  await expect(tokenFor(started, NAME, { userToken })).rejects.toMatchObject({
    name: 'ValidationException',
    fieldList: [{ name: 'userToken' }],
  });
  expect(started.server.calls().at(-1)?.rule).toContain(why);
});
