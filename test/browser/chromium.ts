/** Chromium, where there is one, and what the tests of pages measure in it. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const names = ['chromium-headless-shell', 'chromium', 'google-chrome'];
const onPath = (process.env.PATH ?? '').split(delimiter).flatMap((path) => names.map((name) => join(path, name)));
export const executablePath = [process.env.RONDO_CHROMIUM ?? '', ...onPath].find((path) => path !== '' && existsSync(path));
export const why = executablePath ? '' : ' (skipped: no Chromium on the PATH, and RONDO_CHROMIUM names none)';

/** WCAG's contrast of the text of each element with the first background behind it; those below 4.5.
 * @param of a selector. */
export const FAINT = (of: string): string => `
(() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((s, c, i) => s + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  return [...document.querySelectorAll(${JSON.stringify(of)})].filter((e) => e.textContent.trim()).map((e) => {
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName + ' ' + e.textContent.slice(0, 30)];
  }).filter(([contrast]) => contrast < 4.5);
})()`;
