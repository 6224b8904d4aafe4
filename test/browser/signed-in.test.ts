/** `npm run assistant` in Chromium, as a process of its own: sign-in, consent, and what is remembered. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { folder } from '../kit/folder.ts';
import { executablePath, why } from './chromium.ts';

const root = join(import.meta.dirname, '../..');
const soon = { timeout: 60_000 };
let browser: Browser;
let url: string;
/** The folder of the program. */
let files: string;

beforeAll(async () => {
  if (executablePath) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

/** Starts the program. @returns the process, once its page is there. */
async function started(args: readonly string[]): Promise<ChildProcess> {
  const port = await freePort();
  const main = join(root, 'examples/assistant/main.ts');
  files = folder('signed-in');
  const child = spawn(process.execPath, ['--import', join(root, 'scripts/source.ts'), main, ...args], {
    env: { ...process.env, ASSISTANT_PORT: String(port), PORT: '0', ASSISTANT_FOLDER: files },
    // with --wire it warns that a strategy without a model takes what users say, sentence by sentence
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  url = String(value).split(' ')[0] as string;
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  expect(child.exitCode).toBe(0);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A person at a browser of their own, who has signed in. */
async function signedIn(user: string): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => problems.push(message.text()));
  await page.goto(url);
  await page.getByRole('button', { name: `Sign in as ${user}` }).click();
  await page.getByRole('button', { name: 'Allow' }).click();
  await says(page, 'Ready');
  expect(await page.locator('#user').textContent()).toBe(`Signed in as ${user}`);
  return { page, problems };
}

// Playwright's own waiting evaluates text, which the policy of the page forbids
const says = (page: Page, status: string) => expect.poll(() => page.locator('#state').textContent(), soon).toBe(status);
const answers = (page: Page, text: string) => expect.poll(() => page.locator('#log .agent').allTextContents(), soon).toContain(text);
const saysLike = (page: Page, text: RegExp) =>
  expect.poll(async () => (await page.locator('#log .agent').allTextContents()).at(-1), soon).toMatch(text);
const facts = (page: Page) => page.locator('#memory li').allTextContents();

async function say(page: Page, text: string): Promise<void> {
  await says(page, 'Ready');
  await page.getByLabel('Your message').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** Follows the link of the consent into its tab, and presses a button there. */
async function consents(page: Page, button: 'Allow' | 'Decline'): Promise<Page> {
  await says(page, 'Waits for your decision');
  const [tab] = await Promise.all([page.context().waitForEvent('page'), page.locator('.asks a').click()]);
  await tab.getByRole('button', { name: button }).click();
  return tab;
}

/** A new conversation. What is known of the user is all that stays. */
async function nextSession(page: Page): Promise<void> {
  await page.evaluate(() => localStorage.removeItem('session'));
  await page.reload();
  await says(page, 'Ready');
}

/** Opens the list until it has this, because what is learned is learned in the background. */
async function remembers(page: Page, text: string[]): Promise<void> {
  await expect
    .poll(async () => {
      await page.locator('#memory summary').click();
      if (!(await page.locator('#memory').evaluate((box) => (box as unknown as { open: boolean }).open))) return undefined;
      return facts(page);
    }, soon)
    .toEqual(text);
}

describe.skipIf(!executablePath).each([
  { where: 'with files of this machine', args: [] },
  { where: 'in sessions of a local AgentCore, which keeps its tokens and its memory', args: ['--wire'] },
])(`the assistant of a user who is signed in, $where, in Chromium${why}`, ({ args }) => {
  let child: ChildProcess;
  beforeAll(async () => {
    child = await started(args);
  }, 120_000);
  afterAll(() => ended(child), 60_000);

  test('a consent pauses the run, and it goes on in the chat once the user gave it; a second question needs none', async () => {
    const { page, problems } = await signedIn('ana');
    await say(page, 'Where is order 42?');
    const tab = await consents(page, 'Allow');
    await answers(page, 'The parcel of order 42 is out for delivery.');
    await expect.poll(() => tab.locator('#told').textContent(), soon).toContain('You have consented.');
    await say(page, 'Where is order 43?');
    await answers(page, 'The parcel of order 43 is in the depot of Lyon.');
    expect(problems).toEqual([]);
  });

  test('a consent that is declined is told to the agent', async () => {
    const { page, problems } = await signedIn('ben');
    await say(page, 'Where is order 42?');
    const tab = await consents(page, 'Decline');
    await answers(page, 'The carrier did not tell me.');
    await expect.poll(() => tab.locator('#told').textContent(), soon).toContain('You have not consented.');
    expect(problems).toEqual([]);
  });

  test('what a user said is known in the next session, to no other user, and forgotten when they say so', async () => {
    const { page, problems } = await signedIn('ana');
    await say(page, 'I like green tea.');
    await answers(page, 'I will keep that in mind.');
    await nextSession(page);
    await remembers(page, ['I like green tea.Forget']);
    await say(page, 'Which tea do I like?');
    await answers(page, 'You told me: I like green tea.');

    const { page: other } = await signedIn('ben');
    await say(other, 'Which tea do I like?');
    await answers(other, 'You have not told me.');
    expect(await facts(other)).toEqual([]);

    await page.getByRole('button', { name: 'Forget: I like green tea.' }).click();
    await expect.poll(() => facts(page), soon).toEqual([]);
    await nextSession(page);
    await say(page, 'Which tea do I like?');
    await answers(page, 'You have not told me.');
    expect(problems).toEqual([]);
  });

  test('of 300 tools behind a gateway the model finds the one that it needs, and searches the web by another', async () => {
    const { page, problems } = await signedIn('ana');
    await say(page, 'When is the store in Lyon open?');
    await answers(page, 'The store in Lyon is open from 9:00 to 19:00.');
    await say(page, 'What is the news about kettles?');
    await answers(page, 'I found "A kettle that whistles in tune": https://news.example/kettles');
    expect(problems).toEqual([]);
  });

  test('a policy refuses a call, and the agent says so; a smaller one is made', async () => {
    const { page, problems } = await signedIn('ana');
    await say(page, 'Please give me a credit of 500 dollars.');
    await saysLike(page, /^I may not do that\. .*policy enforcement/);
    await say(page, 'Then give me a credit of 50 dollars.');
    await saysLike(page, /^You have a credit now, number \d+\.$/);
    expect(problems).toEqual([]);
  });

  test('an account number is masked before the model or a file has it', async () => {
    const { page, problems } = await signedIn('ana');
    await say(page, 'My IBAN is DE89 3704 0044 0532 0130 00');
    await answers(page, 'I need no account number. All I was shown is: My IBAN is [IBAN_1]');
    expect(problems).toEqual([]);
    for (const name of readdirSync(files)) {
      const file = join(files, name);
      if (statSync(file).isFile()) expect(readFileSync(file).includes('0532 0130 00'), name).toBe(false);
    }
  });

  test('without a session of the browser there is no token, and no memory', async () => {
    for (const path of ['/token', '/memory', '/memory/x']) {
      const response = await fetch(url + path, { headers: { cookie: 'assistant=guessed' } });
      expect([path, response.status]).toEqual([path, 401]);
    }
    expect((await fetch(`${url}/signed-in?code=x&state=y`)).status).toBe(400);
    expect((await fetch(`${url}/consent?code=x&state=y`)).status).toBe(401);
  });
});
