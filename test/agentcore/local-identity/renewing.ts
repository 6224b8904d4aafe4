/** A process that asks for one token, many times at once, when it is told to on its input: `renewing.ts {vault} {key} {issuer} {callback} {now}`. It says the tokens that it got. */
import { localIdentity, sqliteVault } from 'rondo/identity';
import { CLIENT } from './server.ts';

const [path = '', key = '', issuer = '', callback = '', now = ''] = process.argv.slice(2);
const vault = sqliteVault(path, { current: 'k1', keys: { k1: key } }, { now: () => Number(now) });
const identity = localIdentity({ vault, callback, providers: { calendar: { discovery: issuer, ...CLIENT } }, now: () => Number(now) });
process.stderr.write('ready');
await new Promise((resolve) => process.stdin.once('data', resolve));
process.stdin.destroy();
const got = await Promise.all(
  Array.from({ length: 5 }, () =>
    identity.get({
      provider: 'calendar',
      scopes: ['calendar.read'],
      flow: 'user',
      by: { id: 'ana', tenant: 'acme' },
      runId: 'r',
      agent: 'a',
      tool: 't',
      signal: new AbortController().signal,
    }),
  ),
);
process.stdout.write(JSON.stringify(got.map((one) => ('token' in one ? one.token : 'a consent'))));
await vault.close();
