/** The chat page of examples/assistant in Chromium, over `/ws` of `serve()`. */
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { assistant } from '../../examples/assistant/assistant.ts';
import { pages } from '../../examples/assistant/pages.ts';
import { standin } from '../../examples/assistant/standin.ts';
import { serve } from '../../src/adapters/agentcore/runtime/index.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { Engine, type Model } from '../../src/index.ts';
import { listen } from '../../src/server/index.ts';
import { folder } from '../kit/folder.ts';
import { executablePath, FAINT, why } from './chromium.ts';

let browser: Browser;
beforeAll(async () => {
  if (executablePath) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

/** The agent on a port that stays, and its page. */
async function started(o: { model?: Model; width?: number; scheme?: 'light' | 'dark' } = {}) {
  const file = join(folder('assistant'), 'runs.db');
  const refunds: unknown[] = [];
  const up = async (port: number) => {
    const agent = assistant(o.model ?? standin(5), (order, cents) => refunds.push([order, cents]));
    const engine = new Engine({ journal: sqliteJournal(file), agents: [agent] });
    const server = await serve(engine, agent, { port, container: false });
    return { port: server.port, down: () => server.drain() };
  };
  let running = await up(0);
  const site = await listen(pages(`ws://127.0.0.1:${running.port}/ws`));
  const context = await browser.newContext({ viewport: { width: o.width ?? 390, height: 844 }, colorScheme: o.scheme ?? 'light' });
  onTestFinished(async () => {
    await context.close();
    await running.down();
    await site.close({ grace: 0 });
  });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => problems.push(message.text()));
  await page.goto(site.url);
  return {
    page,
    refunds,
    problems,
    async restart() {
      const { port } = running;
      await running.down();
      running = await up(port);
    },
  };
}

// Playwright's own waiting evaluates text, which the policy of the page forbids
const soon = { timeout: 60_000 };
const state = (page: Page) => page.locator('#state').textContent();
const says = (page: Page, status: string) => expect.poll(() => state(page), soon).toBe(status);
const last = (page: Page) => page.locator('#log .agent').last().textContent();

async function say(page: Page, text: string): Promise<void> {
  await says(page, 'Ready');
  await page.getByLabel('Your message').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

describe.skipIf(!executablePath)(`the chat in Chromium${why}`, () => {
  test('says something, sees the text come, sees the approval, approves, and sees the result', async () => {
    let go = () => {};
    const half = new Promise<void>((resolve) => {
      go = resolve;
    });
    const inner = standin(5);
    let words = 0;
    // the model waits in the middle of its first answer until the page shows its beginning
    const model: Model = {
      ...inner,
      generate: async (request, call) => {
        const held: string[] = [];
        const answer = inner.generate(request, {
          ...call,
          emit: (delta) => (delta.type === 'text' && ++words > 3 ? held.push(delta.text) : call.emit?.(delta)),
        });
        await answer;
        if (held.length > 0) await half;
        for (const text of held) call.emit?.({ type: 'text', text });
        return answer;
      },
    };
    const { page, refunds, problems } = await started({ model });
    await say(page, 'Refund order 42, please.');
    await expect.poll(() => last(page), soon).toBe('Let me look');
    go();
    await says(page, 'Waits for your decision');
    expect(await page.locator('#log .user').textContent()).toBe('Refund order 42, please.');
    expect(await last(page)).toBe('I will refund a red kettle. A person has to approve it first.');
    expect(await page.locator('.asks').textContent()).toContain('May I call refund?49.99 dollars leave the shop');
    expect(JSON.parse((await page.locator('.asks pre').textContent()) ?? '')).toEqual({ order: '42', cents: 4_999 });
    expect(refunds).toEqual([]);
    await page.getByRole('button', { name: 'Approve' }).click();
    await says(page, 'Ready');
    expect(await last(page)).toBe('Done: 49.99 dollars are on their way back to you.');
    expect(refunds).toEqual([['42', 4_999]]);
    expect(problems).toEqual([]);
  });

  test('rejects with the keyboard, and nothing is refunded', async () => {
    const { page, refunds } = await started();
    await say(page, 'I want my money back for 43');
    await says(page, 'Waits for your decision');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await says(page, 'Ready');
    expect(await last(page)).toBe('It was not approved, so nothing was refunded.');
    expect(refunds).toEqual([]);
  });

  test('an approval outlives the server and the page: it is asked again, and refunded once', async () => {
    const { page, refunds, restart } = await started();
    await say(page, 'Refund order 42');
    await says(page, 'Waits for your decision');
    await restart();
    await page.reload();
    await says(page, 'Waits for your decision');
    await page.getByRole('button', { name: 'Approve' }).click();
    await says(page, 'Ready');
    expect(await last(page)).toBe('Done: 49.99 dollars are on their way back to you.');
    expect(refunds).toEqual([['42', 4_999]]);
  });

  test('a server that restarts in the middle of an answer: the page connects again and gets it once', async () => {
    let calls = 0;
    const inner = standin(0);
    const model: Model = {
      ...inner,
      generate(request, call) {
        if (calls++ > 0) return inner.generate(request, call);
        call.emit?.({ type: 'text', text: 'Let me' });
        return new Promise((_resolve, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason)));
      },
    };
    const { page, restart } = await started({ model });
    await say(page, 'What is order 43?');
    await expect.poll(() => last(page), soon).toBe('Let me');
    await restart();
    await says(page, 'Ready');
    expect(await page.locator('#log > div').allTextContents()).toEqual([
      'What is order 43?',
      'Let me look at order 43.',
      'look_up_order: done',
      'Order 43 is two cups, for 12.50 dollars.',
    ]);
  });

  test('stops an answer', async () => {
    const { page, refunds } = await started({
      model: {
        ...standin(),
        generate: (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      },
    });
    await say(page, 'Refund order 42');
    await page.getByRole('button', { name: 'Stop' }).click();
    await says(page, 'Ready');
    expect(await page.locator('#log .tool').last().textContent()).toBe('Stopped.');
    expect(refunds).toEqual([]);
  });

  test('what people and agents write is text, and the page connects to nothing but the agent', async () => {
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    const content = [{ type: 'text' as const, text: evil }];
    const { page } = await started({
      model: { ...standin(), generate: async () => ({ content, stop: 'end', usage: { input: 1, output: 1 } }) },
    });
    await say(page, evil);
    await expect.poll(() => last(page), soon).toBe(evil);
    expect(await page.locator('#log img, #log script').count()).toBe(0);
    expect(await page.title()).toBe('Assistant');
    expect(await page.evaluate('fetch("https://evil.example/").then(() => "reached", () => "refused")')).toBe('refused');
  });

  test.each([
    [390, 'light'],
    [390, 'dark'],
    [1280, 'dark'],
  ] as const)('%d pixels wide, %s: no side scroll, and everything is readable', async (width, scheme) => {
    const { page } = await started({ width, scheme });
    await say(page, 'Refund order 42');
    await says(page, 'Waits for your decision');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(await page.evaluate(FAINT('h1,h2,p,label,button,pre,#log div'))).toEqual([]);
    for (const button of await page.getByRole('button').all())
      if (await button.isVisible()) expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(44);
  });
});
