/** A token that several processes renew, and one that dies while it does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { keyFile, localIdentity, sqliteVault } from 'rondo/identity';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { folder } from '../../kit/folder.ts';
import { type AuthorizationServer, authorizationServer, browser, CLIENT } from './server.ts';

const CALLBACK = 'http://127.0.0.1:9/consent';
const root = fileURLToPath(new URL('../../../', import.meta.url));
const script = fileURLToPath(new URL('./renewing.ts', import.meta.url));
const keyReader = fileURLToPath(new URL('./key-reader.ts', import.meta.url));
let server: AuthorizationServer;
beforeAll(async () => {
  server = await authorizationServer(CALLBACK);
});
afterAll(() => server.close());

/** A vault with a token of ana's that must be renewed. */
async function consented(): Promise<string[]> {
  const [path, key] = [join(folder('processes'), 'vault.db'), randomBytes(32).toString('hex')];
  const vault = sqliteVault(path, { current: 'k1', keys: { k1: key } });
  const identity = localIdentity({ vault, callback: CALLBACK, providers: { calendar: { discovery: server.issuer, ...CLIENT } } });
  const by = { id: 'ana', tenant: 'acme' };
  const signal = new AbortController().signal;
  const asked = await identity.get({
    provider: 'calendar',
    scopes: ['calendar.read'],
    flow: 'user',
    by,
    runId: 'r',
    agent: 'a',
    tool: 't',
    signal,
  });
  if (!('consentUrl' in asked)) throw new Error('no consent was asked for');
  await identity.returned({ url: await browser('ana').consent(asked.consentUrl), by, signal });
  await vault.close();
  return [path, key, server.issuer, CALLBACK, String(Date.now() + 3_590_000)];
}

const start = (args: readonly string[]): ChildProcess =>
  spawn(process.execPath, ['--import', join(root, 'scripts', 'source.ts'), script, ...args], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'pipe'],
  });

/** Once it is ready, it asks. */
async function ask(child: ChildProcess): Promise<ChildProcess> {
  await once(child.stderr as NodeJS.ReadableStream, 'data');
  child.stdin?.write('go');
  return child;
}

const said = async ({ stdout }: ChildProcess) => JSON.parse(await text(stdout as NodeJS.ReadableStream)) as string[];

test('three processes that renew at once use the refresh token once, and have the same token', async () => {
  const args = await consented();
  const from = server.requests.length;
  // the first request is held for a while: one of another process that did not wait would arrive meanwhile
  server.before = (_, grant) => {
    if (grant !== 'refresh_token') return undefined;
    server.before = () => undefined;
    return new Promise((resolve) => setTimeout(resolve, 1_500));
  };
  const all = [1, 2, 3].map(() => start(args));
  await Promise.all(all.map(ask));
  const got = (await Promise.all(all.map(said))).flat();
  expect(got).toHaveLength(15);
  expect(new Set(got).size).toBe(1);
  expect(server.requests.slice(from)).toHaveLength(1);
  expect(await server.whose(got[0] ?? '')).toMatchObject({ user: 'ana' });
});

test('a process that dies before its renewal reaches the provider is waited for, and the next one renews', async () => {
  const args = await consented();
  const from = server.requests.length;
  const reached = new Promise<void>((resolve) => {
    // the first request never gets an answer, and its refresh token is not used
    server.before = () => {
      server.before = () => undefined;
      resolve();
      return new Promise(() => undefined);
    };
  });
  const dies = await ask(start(args));
  await reached;
  dies.kill('SIGKILL');
  await once(dies, 'exit');
  const got = await said(await ask(start(args)));
  expect(new Set(got).size).toBe(1);
  expect(await server.whose(got[0] ?? '')).toMatchObject({ user: 'ana' });
  expect(server.requests.slice(from).map(({ grant }) => grant)).toContain('refresh_token');
});

test('a key file that one process makes is never found without its key by another one', async () => {
  const path = join(folder('keys'), 'vault.key');
  const reader = spawn(process.execPath, ['--import', join(root, 'scripts', 'source.ts'), keyReader, path], { cwd: root });
  await once(reader.stdout, 'data');
  const keys = keyFile(path);
  for (let i = 0; i < 400; i++) {
    rmSync(path, { force: true });
    keys();
  }
  reader.stdin.end();
  const { read, problems } = JSON.parse(await text(reader.stderr)) as { read: number; problems: string[] };
  expect(read).toBeGreaterThan(0);
  // but while it is removed
  expect(problems.filter((problem) => !problem.includes('ENOENT'))).toEqual([]);
});
