import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compared, failIf, type Report } from '../../src/bench/index.ts';
import { page } from '../../src/cli/bench/html.ts';
import type { PageData } from '../../src/cli/page/data.ts';
import { aReport, aRun } from '../bench/reports.ts';
import { benchmarkFile, ran, TWO } from './io.ts';

const EVIL = '</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>"\'&';

const findings = (report: Report) => ({
  report,
  comparisons: report.variants.length > 1 ? compared(report) : [],
  outcomes: failIf(report, ['ms > 1']),
});
const dataOf = (html: string) =>
  JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)?.[1] ?? '') as PageData;

/** Runs of three steps with a tool each. */
const usual = (runs: number, variants: readonly string[], scenarios: readonly string[], name = 'a tool') => {
  const [step] = aRun().steps;
  const made = Array.from({ length: runs }, (_, i) => i + 1).flatMap((run) =>
    variants.flatMap((variant) =>
      scenarios.map((scenario) =>
        aRun({
          run,
          variant,
          scenario,
          ms: 100 + run,
          steps: [1, 2, 3].map((n) => ({
            ...(step as NonNullable<typeof step>),
            step: n,
            at: n * 30,
            usage: { input: 10, output: 5, cacheRead: 10 * n },
          })),
          calls: [
            {
              kind: 'tool',
              name,
              callId: 'c',
              agent: 'a',
              step: 1,
              at: 31,
              ms: 4,
              attempts: 2,
              ok: false,
              costUsd: 0,
              error: 'TOOL_FAILED',
            },
          ],
        }),
      ),
    ),
  );
  return aReport(made);
};

test('one file: its policy names the only script and the only style by their hashes, and it refers to nothing outside', async () => {
  const html = await page(findings(usual(5, ['a', 'b'], ['one', 'two'])));
  const hash = (text: string) => `sha256-${createHash('sha256').update(text).digest('base64')}`;
  const [script, ...more] = [...html.matchAll(/<script>(.*?)<\/script>/gs)].map(([, text = '']) => text);
  const [style] = [...html.matchAll(/<style>(.*?)<\/style>/gs)].map(([, text = '']) => text);
  expect(more).toEqual([]);
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1];
  expect(policy?.replaceAll('&#39;', "'")).toBe(
    `default-src 'none'; script-src '${hash(script ?? '')}'; style-src '${hash(style ?? '')}'; base-uri 'none'; form-action 'none'`,
  );
  const markup = html.replace(/<script.*?<\/script>|<style.*?<\/style>/gs, '');
  expect(markup).not.toMatch(/\s(src|href|style|on\w+)=|url\(|@import/);
  expect(script).toContain('Permission is hereby granted');
});

test('names and errors stay text, in the markup and in the data', async () => {
  const report = usual(5, ['a', EVIL], [EVIL, 'two'], EVIL);
  const failed = {
    ...report,
    name: EVIL,
    runs: report.runs.map((run) => ({ ...run, ok: run.run > 1, error: { code: EVIL, message: EVIL } })),
  };
  const html = await page(findings(failed));
  expect(html.match(/<script/g)).toHaveLength(2);
  expect(html.match(/<\/script/g)).toHaveLength(2);
  expect(html).not.toMatch(/<img|<!--/);
  const data = dataOf(html);
  expect(data.timelines[0]?.rows.find(({ kind }) => kind === 'call')?.label).toBe(`${EVIL}, 2 attempts`);
  expect(html).toContain('&lt;/script&gt;&lt;script&gt;alert(1)');
});

test('the plots have the numbers of the report', async () => {
  const { charts, timelines } = dataOf(await page(findings(usual(4, ['a'], ['one']))));
  const plot = (id: string) => charts.find((chart) => chart.id === id)?.plots[0];
  expect(plot('latency')?.series).toMatchObject([{ name: 'all runs' }]);
  expect([plot('latency')?.series[0]?.values[0], plot('latency')?.series[0]?.values.at(-1)]).toEqual([101, 104]);
  expect(plot('step-cost')?.series[0]?.values).toEqual([0.001, 0.001, 0.001]);
  expect(plot('turn-cost')?.series[0]?.values).toEqual([0.001, 0.002, 0.003]);
  expect(plot('cache')?.series[0]?.values).toEqual([50, 66.6667, 75]);
  expect(timelines).toHaveLength(4);
  expect(timelines[0]?.rows.map(({ label }) => label)).toEqual(['a, step 1', 'a tool, 2 attempts', 'a, step 2', 'a, step 3']);
});

test('an unknown cost has no plot, and a report without a run that passed has a page', async () => {
  const report = usual(2, ['a'], ['one']);
  const unknown = {
    ...report,
    runs: report.runs.map((run) => ({ ...run, costUsd: null, steps: run.steps.map((step) => ({ ...step, costUsd: null })) })),
  };
  const html = await page(findings(unknown));
  expect(dataOf(html).charts.map(({ id }) => id)).toEqual(['latency', 'cache']);
  expect(html).toContain('<dt>cost of a run</dt><dd>unknown</dd>');
  const failed = { ...report, runs: report.runs.map((run) => ({ ...run, ok: false })) };
  expect(dataOf(await page(findings(failed)))).toMatchObject({ charts: [], timelines: [{ error: 'did not pass' }, {}] });
  expect(dataOf(await page(findings({ ...report, runs: [] })))).toEqual({ charts: [], timelines: [] });
});

test('a usual report is under 300 KB; of a large one the timelines of some runs are left out, and the slowest is kept', async () => {
  expect(Buffer.byteLength(await page(findings(usual(10, ['a', 'b'], ['1', '2', '3']))))).toBeLessThan(300_000);
  const html = await page(findings(usual(500, ['a', 'b'], ['1', '2', '3'])));
  expect(Buffer.byteLength(html)).toBeLessThan(300_000);
  const { timelines } = dataOf(html);
  expect(timelines.length).toBeLessThan(3_000);
  expect(html).toContain(`The timelines of ${3_000 - timelines.length} more runs are left out`);
  expect(timelines.filter(({ ms }) => ms === 600)).toHaveLength(6);
}, 300_000);

test('rondo bench --html writes it', async () => {
  const { code, err, cwd } = await ran(['bench', 'a.bench.ts', '--html', 'out/r.html'], { 'a.bench.ts': benchmarkFile(TWO) });
  expect({ code, err }).toEqual({ code: 0, err: 'Wrote out/r.html\n' });
  expect(readFileSync(join(cwd, 'out/r.html'), 'utf8')).toContain('big against small');
});
