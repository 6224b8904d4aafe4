import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { withApiKey } from 'bedrock-agentcore/identity';
import { expect, test } from 'vitest';
import { startAgentCore } from '../../../src/adapters/agentcore/wire/index.ts';
import { folder } from '../../kit/folder.ts';
import { type Started, start, tokenFor } from './server.ts';

const KEY = 'key-of-the-weather-8f2b1c';

async function weather(o: Parameters<typeof start>[0] = {}): Promise<Started> {
  const started = await start(o);
  await started.controls.send(new control.CreateWorkloadIdentityCommand({ name: 'desk' }));
  await started.controls.send(new control.CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: KEY }));
  return started;
}

test('a key is handed out to a workload, and no answer of the control plane has it', async () => {
  const started = await weather();
  const { controls } = started;
  const answers = [
    await controls.send(new control.GetApiKeyCredentialProviderCommand({ name: 'weather' })),
    await controls.send(new control.ListApiKeyCredentialProvidersCommand({})),
    await controls.send(new control.UpdateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: `${KEY}-2` })),
  ];
  expect(JSON.stringify(answers)).not.toContain(KEY);
  expect(answers[0]).toMatchObject({
    name: 'weather',
    credentialProviderArn: 'arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/apikeycredentialprovider/weather',
    apiKeySecretArn: { secretArn: expect.stringMatching(/^arn:aws:secretsmanager:us-east-1:123456789012:secret:/) },
  });
  const { apiKey } = await started.client.send(
    new data.GetResourceApiKeyCommand({
      workloadIdentityToken: await tokenFor(started, 'desk'),
      resourceCredentialProviderName: 'weather',
    }),
  );
  expect(apiKey).toBe(`${KEY}-2`);
});

test('withApiKey of the SDK gets it', async () => {
  const started = await weather();
  const ask = withApiKey({ workloadIdentityToken: await tokenFor(started, 'desk'), providerName: 'weather' });
  expect(await ask(async (city: string, key: string) => `${city} ${key}`)('Oslo')).toBe(`Oslo ${KEY}`);
});

test('a provider that is not there, or not any more, is not found; a name in use is refused', async () => {
  const started = await weather();
  const { controls, client } = started;
  const again = new control.CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: 'k' });
  await expect(controls.send(again)).rejects.toMatchObject({ name: 'ConflictException' });
  await controls.send(new control.DeleteApiKeyCredentialProviderCommand({ name: 'weather' }));
  const workloadIdentityToken = await tokenFor(started, 'desk');
  const getting = client.send(new data.GetResourceApiKeyCommand({ workloadIdentityToken, resourceCredentialProviderName: 'weather' }));
  await expect(getting).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test('a secret of Secrets Manager is refused where it is declared', async () => {
  const { controls } = await start();
  const config = { secretId: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:x-abcdef', jsonKey: 'key' };
  const creating = controls.send(
    new control.CreateApiKeyCredentialProviderCommand({ name: 'x', apiKeySecretConfig: config, apiKeySecretSource: 'EXTERNAL' }),
  );
  await expect(creating).rejects.toMatchObject({ name: 'ValidationException', message: expect.stringContaining('no Secrets Manager') });
});

test('the state file has secrets sealed only, and goes on with the key beside it and with no other', async () => {
  const state = join(folder('identity'), 'state.db');
  const first = await weather({ state });
  await first.server.close();
  expect(statSync(`${state}.key`).mode & 0o777).toBe(0o600);
  for (const file of [state, `${state}.key`]) expect(readFileSync(file).includes(KEY)).toBe(false);
  const second = await start({ state });
  const { apiKey } = await second.client.send(
    new data.GetResourceApiKeyCommand({ workloadIdentityToken: await tokenFor(second, 'desk'), resourceCredentialProviderName: 'weather' }),
  );
  expect(apiKey).toBe(KEY);
  await second.server.close();
  writeFileSync(`${state}.key`, '1'.repeat(64));
  await expect(startAgentCore({ state })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('is not the key'),
  });
  rmSync(`${state}.key`);
  await expect(startAgentCore({ state })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('state.db.key'),
  });
});

test('the key of the vault is a name that is kept', async () => {
  const { controls } = await start();
  const kmsKeyArn = `arn:aws:kms:us-east-1:123456789012:key/${'a'.repeat(36)}`;
  expect((await controls.send(new control.GetTokenVaultCommand({}))).kmsConfiguration).toEqual({ keyType: 'ServiceManagedKey' });
  const kmsConfiguration = { keyType: 'CustomerManagedKey', kmsKeyArn } as const;
  await controls.send(new control.SetTokenVaultCMKCommand({ kmsConfiguration }));
  expect(await controls.send(new control.GetTokenVaultCommand({ tokenVaultId: 'default' }))).toMatchObject({
    tokenVaultId: 'default',
    kmsConfiguration,
    lastModifiedDate: expect.any(Date),
  });
  await expect(controls.send(new control.GetTokenVaultCommand({ tokenVaultId: 'other' }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
});

test('a key that the operator made as base64 seals with all of its bytes', async () => {
  const state = join(folder('identity'), 'state.db');
  const keyed = (fill: number, as: 'base64' | 'hex') => writeFileSync(`${state}.key`, Buffer.alloc(32, fill).toString(as), { mode: 0o600 });
  keyed(0xcf, 'base64');
  await (await weather({ state })).server.close();
  keyed(0xcc, 'base64');
  await expect(startAgentCore({ state })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('is not the key'),
  });
  // the same bytes, written otherwise
  keyed(0xcf, 'hex');
  await (await startAgentCore({ state })).close();
});
