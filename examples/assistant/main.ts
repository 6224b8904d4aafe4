/**
 * npm run assistant: an assistant that refunds orders once a person approves, and a chat page for it. Sign in as ana. Try "Refund order 42", and stop it
 * while the approval is open: started again, the page asks again. "Where is order 42?" needs your consent. "I like green tea." is remembered in the next
 * session, until you forget it.
 *
 * npm run assistant -- --wire: the same program as a runtime of a local AgentCore, driven by the AWS client; see wire.ts.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgentCore } from 'rondo/agentcore/wire';
import { listen } from 'rondo/server';
import { parcels } from './parcels.ts';
import { CONSENT, SIGNED_IN, web } from './web.ts';

async function wire(): Promise<void> {
  const { onTheWire } = await import('./wire.ts');
  const folder = mkdtempSync(join(tmpdir(), 'rondo-assistant-'));
  try {
    const { refunds } = await onTheWire(folder, console.log);
    console.log(`refunds: ${JSON.stringify(refunds)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const PORT = Number(process.env.ASSISTANT_PORT ?? 3_000);
/** The address of the page, which is registered at the authorization server. */
const PAGE = `http://127.0.0.1:${PORT}`;

async function chat(): Promise<void> {
  const folder = process.env.ASSISTANT_FOLDER ?? 'assistant-data';
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const local = await startAgentCore({
    state: join(folder, 'agentcore.db'),
    identity: { authorization: { users: ['ana', 'ben'], redirectUrls: [PAGE + SIGNED_IN, PAGE + CONSENT] } },
  });
  const { discoveryUrl, clientId, clientSecret } = local.authorization;
  const carrier = await parcels(discoveryUrl);
  Object.assign(process.env, {
    // this machine, even if it is a container: only it may call
    LOCAL_DEV: process.env.LOCAL_DEV ?? '1',
    ASSISTANT_FOLDER: folder,
    ASSISTANT_JOURNAL: process.env.ASSISTANT_JOURNAL ?? join(folder, 'runs.db'),
    ASSISTANT_DISCOVERY_URL: discoveryUrl,
    ASSISTANT_CLIENT_ID: clientId,
    ASSISTANT_CLIENT_SECRET: clientSecret,
    ASSISTANT_CALLBACK: PAGE + CONSENT,
    PARCELS_URL: carrier.url,
  });
  const { engine, server, own } = await import('./serve.ts');
  if (!own) throw new Error('the settings above were not read');
  const socket = `${server.url.replace('http', 'ws')}/ws`;
  const signIn = { discoveryUrl, clientId, clientSecret };
  const page = await listen(await web({ url: PAGE, socket, signIn, engine, ...own, resume: true }), { port: PORT });
  console.log(`${page.url}   (sign in as ana or ben; the agent: ${server.url})`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void Promise.all([page.close(), carrier.close(), local.close()]));
}

await (process.argv.includes('--wire') ? wire() : chat());
