/** What a person consented to at one authorization server is not sent to another one that has the name of its provider since. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type LocalIdentity, localIdentity, sqliteVault, type Vault } from 'rondo/identity';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { folder } from '../../kit/folder.ts';
import { ana, back, urlOf } from './asking.ts';
import { type AuthorizationServer, authorizationServer, browser, CLIENT } from './server.ts';

const CALLBACK = 'http://127.0.0.1:9/consent';
const key = randomBytes(32).toString('hex');
const vaults: Vault[] = [];
let now = Date.now();
let first: AuthorizationServer;
let second: AuthorizationServer;
beforeAll(async () => {
  first = await authorizationServer(CALLBACK);
  second = await authorizationServer(CALLBACK);
});
afterEach(async () => {
  for (const vault of vaults.splice(0)) await vault.close();
});
afterAll(() => Promise.all([first.close(), second.close()]));

/** The identity of a process whose provider is at this server. */
function identityAt(path: string, { issuer }: AuthorizationServer): LocalIdentity {
  const vault = sqliteVault(path, { current: 'k1', keys: { k1: key } }, { now: () => now });
  vaults.push(vault);
  return localIdentity({ vault, providers: { calendar: { discovery: issuer, ...CLIENT } }, callback: CALLBACK, now: () => now });
}

const place = () => join(folder('identity'), 'vault.db');

test('a code goes to no other server: the consent is over, and the user is asked for one at the new server', async () => {
  const path = place();
  const url = await urlOf(identityAt(path, first));
  const returned = await browser('ana').consent(url);
  const changed = identityAt(path, second);
  await expect(back(changed, returned)).rejects.toMatchObject({
    code: 'CONSENT_EXPIRED',
    details: { runId: 'r1', handle: expect.any(String) },
  });
  expect(second.requests).toEqual([]);
  expect(await urlOf(changed)).toContain(second.issuer);
});

test('a refresh token goes to no other server', async () => {
  const path = place();
  const identity = identityAt(path, first);
  await back(identity, await browser('ana').consent(await urlOf(identity)));
  now += 3_590_000;
  const changed = identityAt(path, second);
  const before = second.requests.length;
  expect(await urlOf(changed)).toContain(second.issuer);
  expect(second.requests.length).toBe(before);
});

test('a token that lasts is not revoked at another server', async () => {
  const path = place();
  const identity = identityAt(path, first);
  await back(identity, await browser('ana').consent(await urlOf(identity)));
  const changed = identityAt(path, second);
  let asks = 0;
  second.before = () => void asks++;
  expect(await changed.revoke({ by: ana })).toMatchObject([{ provider: 'calendar', outcome: 'forgotten' }]);
  expect(asks).toBe(0);
});
