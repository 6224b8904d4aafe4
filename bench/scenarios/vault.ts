/** A token from a vault: kept in this process, and read from the file and decrypted. */
import { randomBytes } from 'node:crypto';
import { localIdentity, type Place, sqliteVault } from '../../src/adapters/identity/index.ts';
import { ownerOf, tokenPlace } from '../../src/adapters/identity/places.ts';
import type { CredentialRequest, Occasion } from '../../src/index.ts';
import { scratch } from '../contenders.ts';
import { type Contender, interleave, spread, timesOf } from '../harness.ts';
import type { Scenario } from '../result.ts';

const KEPT = 'a token that this process has decrypted before';
const READ = 'a token read from the file and decrypted';
/** Tokens in the vault, each of another user. */
const USERS = 500;
const FAR = 4_102_444_800_000;

const requestOf = (user: number): CredentialRequest & Occasion => ({
  provider: 'calendar',
  scopes: ['calendar.read'],
  flow: 'user',
  by: { id: `user-${user}`, tenant: 'acme' },
  runId: 'run',
  agent: 'assistant',
  tool: 'meetings',
  signal: new AbortController().signal,
});
const placeOf = (r: CredentialRequest & Occasion): Place => tokenPlace(ownerOf(r.by ?? { id: '' }), r);
const tokenOf = (user: number) => `tok-${user}-${'x'.repeat(800)}`;

export const vault: Scenario = async ({ quick }) => {
  const files = scratch();
  const path = files.path('vault.db');
  const keys = { current: 'k1', keys: { k1: randomBytes(32) } };
  const providers = { calendar: { discovery: 'https://id.example', clientId: 'c', clientSecret: 's' } };
  const open = () => {
    const opened = sqliteVault(path, keys);
    return { opened, identity: localIdentity({ vault: opened, providers }) };
  };
  const requests = Array.from({ length: USERS }, (_, user) => requestOf(user));
  const warm = open();
  await Promise.all(
    requests.map((r, user) => warm.opened.put(placeOf(r), { value: { access: tokenOf(user), refresh: 'r', at: 0, expiresAt: FAR } })),
  );

  async function ask(identity: ReturnType<typeof localIdentity>, times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const user = i % USERS;
      const got = await identity.get(requests[user] as CredentialRequest & Occasion);
      if (!('token' in got) || got.token !== tokenOf(user)) throw new Error(`user ${user} did not get their token`);
    }
  }
  await ask(warm.identity, USERS);
  const contenders: Contender[] = [
    { name: KEPT, prepare: () => ({ units: USERS * 4, run: () => ask(warm.identity, USERS * 4) }), close: () => warm.opened.close() },
    {
      name: READ,
      async prepare() {
        const { opened, identity } = open();
        // the key is unwrapped here, once a process
        await opened.get({ ...placeOf(requestOf(0)), about: 'none' });
        return { units: USERS, run: () => ask(identity, USERS), finish: () => opened.close() };
      },
    },
  ];
  const times = await interleave(contenders, quick ? { rounds: 1, warmUp: 1 } : { rounds: 25, warmUp: 5, longest: 20_000 });
  files.remove();
  return {
    tables: [
      {
        title: 'A token from the vault',
        unit: 'µs',
        columns: [`of ${USERS} users`],
        rows: [KEPT, READ].map((name) => ({ name, cells: [spread(timesOf(times, name))] })),
      },
    ],
    targets: [],
  };
};
