/**
 * npm run assistant: an assistant that refunds orders once a person approves, and a chat page for it. docs/assistant.md says what to try.
 *
 * npm run assistant -- --wire: the same page and program, with the agent in sessions of a local AgentCore, and its tokens and memory there.
 * npm run assistant -- --script: a runtime driven by the AWS client, without a page; see script.ts.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentCore, startAgentCore } from 'rondo/agentcore/wire';
import { listen } from 'rondo/server';
import { modelName, openModel } from '../kit/model.ts';
import { begin, flags, UsageError } from '../kit/usage.ts';
import { container, deployed, IMAGE } from './deployed.ts';
import { OFFICE_URL } from './deployed-gateway.ts';
import { office } from './office.ts';
import { parcels } from './parcels.ts';
import { CONSENT, SIGNED_IN, type WebOptions, web } from './web.ts';

type Running = Pick<WebOptions, 'socket' | 'engine' | 'identity' | 'memory' | 'resume'>;

/** What the stand-in for a model knows, and what each shows. */
const TRY = [
  'Refund order 42                            an approval',
  'Where is order 42?                         your consent at the carrier',
  'I like green tea.                          a memory; then, in a private window: What do I like?',
  'When is the store in Lyon open?            one of 300 tools',
  'Give me a credit of 500 dollars            a policy refuses',
  'What is the news about kettles?            a web search',
  'My IBAN is DE89 3704 0044 0532 0130 00     masked before it is stored',
];

const PORT = await begin(() => portOf(process.env.ASSISTANT_PORT || '3000'));
/** The address of the page, which is registered at the authorization server. */
const PAGE = `http://127.0.0.1:${PORT}`;
const CALLBACK = PAGE + CONSENT;

/** The page is registered under its address, so a port is chosen before it listens. */
function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new UsageError(`ASSISTANT_PORT is "${text}"; it is a port from 1 to 65535, such as 3000.`);
  return port;
}

/** Opens the model that RONDO_MODEL names: the program that uses it is started last. */
async function checkModel(): Promise<void> {
  const wanted = modelName(process.env.RONDO_MODEL);
  if (wanted) await openModel(wanted);
}

async function script(): Promise<void> {
  const { onTheWire } = await import('./script.ts');
  const folder = mkdtempSync(join(tmpdir(), 'rondo-assistant-'));
  try {
    const { refunds } = await onTheWire(folder, console.log);
    console.log(`refunds: ${JSON.stringify(refunds)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The agent in this process, with files of this machine. */
async function here(): Promise<Running> {
  // this machine, even if it is a container: only it may call
  process.env.LOCAL_DEV ??= '1';
  process.env.ASSISTANT_CALLBACK = CALLBACK;
  const { engine, server, own } = await import('./serve.ts');
  if (!own) throw new Error('the settings of the program were not read');
  return { socket: `${server.url.replace('http', 'ws')}/ws`, engine, ...own, resume: true };
}

/** The agent in sessions of AgentCore. This process records decisions, and the session goes on with the run. */
async function there(local: AgentCore, env: Readonly<Record<string, string>>, officeKey: string): Promise<Running> {
  Object.assign(process.env, local.env);
  const { settings, socketPath } = await deployed({ signIn: local.authorization, callback: CALLBACK, officeKey, env });
  const [{ parts }, { Engine }, { sqliteJournal }] = await Promise.all([
    import('./parts.ts'),
    import('rondo'),
    import('rondo/journal/sqlite'),
  ]);
  const engine = new Engine({ journal: sqliteJournal(settings.ASSISTANT_JOURNAL as string) });
  return { socket: local.url.replace('http', 'ws') + socketPath, engine, ...(await parts(settings)), resume: false };
}

async function chat(wire: boolean): Promise<void> {
  const folder = process.env.ASSISTANT_FOLDER ?? (wire ? mkdtempSync(join(tmpdir(), 'rondo-assistant-')) : 'assistant-data');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const officeKey = randomBytes(16).toString('base64url');
  const backOffice = await office(officeKey, (method, path, body) => console.log(JSON.stringify({ office: `${method} ${path}`, body })));
  const local = await startAgentCore({
    state: join(folder, 'agentcore.db'),
    bindings: {
      [`container:${IMAGE}`]: container,
      [`url:${OFFICE_URL}`]: backOffice.url,
      'connector:web-search': `${join(import.meta.dirname, 'news.ts')}#web`,
    },
    sessions: { logs: join(folder, 'logs') },
    identity: { authorization: { users: ['ana', 'ben'], redirectUrls: [PAGE + SIGNED_IN, CALLBACK] } },
  });
  const { discoveryUrl, clientId, clientSecret } = local.authorization;
  const carrier = await parcels(discoveryUrl);
  const env = {
    ASSISTANT_FOLDER: folder,
    ASSISTANT_JOURNAL: process.env.ASSISTANT_JOURNAL ?? join(folder, 'runs.db'),
    ASSISTANT_DISCOVERY_URL: discoveryUrl,
    ASSISTANT_CLIENT_ID: clientId,
    PARCELS_URL: carrier.url,
    OFFICE_URL: backOffice.url,
  };
  Object.assign(process.env, env, { ASSISTANT_CLIENT_SECRET: clientSecret, OFFICE_KEY: officeKey });
  const running = await (wire ? there(local, env, officeKey) : here());
  const signIn = { discoveryUrl, clientId, clientSecret };
  const page = await listen(await web({ url: PAGE, signIn, ...running }), { port: PORT });
  console.log(`${page.url}   sign in as ana or ben, without a password (the agent: ${running.socket})`);
  if (!process.env.RONDO_MODEL) console.log('model  a stand-in: fixed rules, no AI. Real: RONDO_MODEL=<provider>:<id> npm run assistant');
  console.log(`say    ${TRY.join('\n       ')}`);
  console.log(`kept   in ${folder}; what each of these shows: docs/assistant.md`);
  console.log('end    Ctrl-C, which loses nothing');
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(
      signal,
      () => void Promise.all([page.close(), carrier.close(), backOffice.close(), local.close(), running.engine.close()]),
    );
}

const options = { script: { type: 'boolean' }, wire: { type: 'boolean', default: false } } as const;
const { values } = await begin(() => flags({ options }, 'npm run assistant -- [--wire | --script]'));
await begin(checkModel);
await (values.script ? script() : chat(values.wire));
