import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { localIdentity, sqliteVault, type Vault } from 'rondo/identity';
import { identityConformance } from 'rondo/testing';
import { afterAll, beforeAll, test } from 'vitest';
import { folder } from '../../kit/folder.ts';
import { type AuthorizationServer, authorizationServer, browser, CLIENT, userToken } from './server.ts';

const CALLBACK = 'http://127.0.0.1:9/consent';
let server: AuthorizationServer;
beforeAll(async () => {
  server = await authorizationServer(CALLBACK);
});
afterAll(() => server.close());

identityConformance(
  () => {
    const path = join(folder('conformance'), 'vault.db');
    const keys = { current: 'k1', keys: { k1: randomBytes(32) } };
    const vaults: Vault[] = [];
    const open = () => {
      const vault = sqliteVault(path, keys);
      vaults.push(vault);
      const calendar = { discovery: server.issuer, ...CLIENT };
      return localIdentity({ vault, callback: CALLBACK, providers: { calendar, weather: { apiKey: 'key-77ab1c' } } });
    };
    let n = 0;
    const scopes = ['calendar.read'];
    return {
      identity: open(),
      another: open,
      requests: {
        'api-key': { provider: 'weather' },
        client: { provider: 'calendar', scopes },
        user: { provider: 'calendar', scopes },
        exchange: { provider: 'calendar', scopes },
      },
      consent: (url, by, { decline }) => browser(by.id).consent(url, decline ? { decline } : {}),
      assertion: ({ id }) => ({ type: 'jwt', token: userToken(id, Math.floor(Date.now() / 1_000) + 600, { jti: ++n }) }),
      whose: async (token) => (await server.whose(token))?.user,
      close: () => Promise.all(vaults.map((vault) => vault.close())),
    };
  },
  { test },
);
