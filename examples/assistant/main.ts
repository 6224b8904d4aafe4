/**
 * npm run assistant: an assistant that refunds orders once a person approves, and a chat page for it. Try "Refund order 42". Stop it while the approval is
 * open and start it again: the page asks again, and nothing is lost.
 *
 * npm run assistant -- --wire: the same program as a runtime of a local AgentCore, driven by the AWS client; see wire.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listen } from 'rondo/server';
import { pages } from './pages.ts';

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

async function chat(): Promise<void> {
  // this machine, even if it is a container: only it may call
  process.env.LOCAL_DEV ??= '1';
  const { server } = await import('./serve.ts');
  const page = await listen(pages(`${server.url.replace('http', 'ws')}/ws`), { port: 3_000 });
  console.log(`${page.url}   (the agent: ${server.url})`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void page.close());
}

await (process.argv.includes('--wire') ? wire() : chat());
