import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { benchmark, compared, failIf } from '../../src/bench/index.ts';
import { page as pageOf } from '../../src/cli/bench/html.ts';
import { folder } from '../kit/folder.ts';
import { executablePath, FAINT, why } from './chromium.ts';

const EVIL = '</script><script>document.title="ran"</script><img src=x onerror=document.title="ran">';

let browser: Browser;
let url: string;

beforeAll(async () => {
  if (!executablePath) return;
  const { default: triage } = await import('../../examples/bench/triage.bench.ts');
  const report = await benchmark({ ...triage, name: EVIL, runs: 5 });
  const html = await pageOf({ report, comparisons: compared(report), outcomes: failIf(report, ['costUsd > +5%']) });
  const file = join(folder('page'), 'report.html');
  writeFileSync(file, html);
  url = pathToFileURL(file).href;
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

/** Opens the page, and collects what goes wrong in it and what it asks for. */
async function opened(width: number, colorScheme: 'light' | 'dark'): Promise<{ page: Page; problems: string[]; requests: string[] }> {
  const page = await (await browser.newContext({ viewport: { width, height: 844 }, colorScheme })).newPage();
  const [problems, requests]: [string[], string[]] = [[], []];
  page.on('console', (message) => problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(url);
  await page.locator('canvas').first().waitFor();
  return { page, problems, requests };
}

describe.skipIf(!executablePath)(`the page in Chromium${why}`, () => {
  test.each([
    [1280, 'light'],
    [1280, 'dark'],
    [390, 'light'],
    [390, 'dark'],
  ] as const)('%d pixels wide, %s: plots, no error, no request, no side scroll, readable', async (width, scheme) => {
    const { page, problems, requests } = await opened(width, scheme);
    expect(problems).toEqual([]);
    expect(requests).toEqual([url]);
    expect(await page.locator('canvas').count()).toBe(4);
    expect(await page.locator('#timeline li').count()).toBeGreaterThan(3);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(await page.evaluate(FAINT('h1,h2,p,dt,dd,th,td,li span,select,.key span'))).toEqual([]);
    const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(background).toBe(scheme === 'dark' ? 'rgb(16, 19, 23)' : 'rgb(246, 247, 249)');
  });

  test('a name with markup is text', async () => {
    const { page } = await opened(1280, 'light');
    expect(await page.locator('h1').textContent()).toBe(EVIL);
    expect(await page.title()).toContain('</script>');
    expect(await page.title()).not.toBe('ran');
  });

  test('a run and a number are chosen with the keyboard, and every chooser has a label', async () => {
    const { page } = await opened(1280, 'light');
    const chooser = page.getByLabel('Run', { exact: true });
    const rows = () => page.locator('#timeline li').count();
    const before = await rows();
    await chooser.focus();
    await page.keyboard.press('End');
    expect(await chooser.inputValue()).toContain('run 5');
    await page.keyboard.press('ArrowUp');
    // the runs of the other variant have a step and a call more
    const counts = new Set([before, await rows()]);
    await page.keyboard.press('ArrowUp');
    counts.add(await rows());
    expect(counts.size).toBe(2);
    const plot = page.locator('#latency canvas');
    const drawn = () => plot.evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
    const first = await drawn();
    await page.getByLabel('Latency of').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    expect(await drawn()).not.toBe(first);
    expect(await page.locator('select:not([aria-label])').count()).toBe(0);
  });

  test('the plots follow the width and the colours of the system', async () => {
    const { page, problems } = await opened(1280, 'light');
    const plot = page.locator('#latency canvas');
    const wide = (await plot.boundingBox())?.width ?? 0;
    await page.setViewportSize({ width: 390, height: 844 });
    // Playwright's own waiting evaluates text, which the policy of the page forbids
    const soon = { timeout: 60_000 };
    await expect.poll(async () => (await plot.boundingBox())?.width ?? wide, soon).toBeLessThan(wide / 2);
    const drawn = () => plot.evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
    const light = await drawn();
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(drawn, soon).not.toBe(light);
    expect(problems).toEqual([]);
  });
});
