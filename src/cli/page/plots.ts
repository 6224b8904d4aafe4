/** Draws the charts of the page with uPlot, in the colours of the style sheet, which are others in the dark. */
import uPlot from 'uplot';
import type { Chart, Plot, Unit } from './data.ts';

/** Lines differ in their dashes too, for readers who do not see the colours. */
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const COLORS = 8;
const NARROW = 480;

const color = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Draws a chart into its figure, and again when its width, its choice or the colours change. */
export function draw(chart: Chart): void {
  const figure = document.getElementById(chart.id);
  const area = figure?.querySelector<HTMLElement>('.plot');
  if (!area) return;
  const select = figure?.querySelector('select');
  let drawn: uPlot | undefined;
  const again = () => {
    const plot = chart.plots[select?.selectedIndex ?? 0];
    drawn?.destroy();
    if (plot) drawn = new uPlot(optionsOf(plot, area.clientWidth), dataOf(plot), area);
  };
  again();
  select?.addEventListener('change', again);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
  let width = area.clientWidth;
  new ResizeObserver(() => {
    if (area.clientWidth === width) return;
    width = area.clientWidth;
    again();
  }).observe(area);
}

const dataOf = ({ x, series }: Plot) => [[...x], ...series.map(({ values }) => [...values])] as uPlot.AlignedData;

function optionsOf({ xLabel, unit, x, series }: Plot, width: number): uPlot.Options {
  const narrow = width < NARROW;
  const line = { stroke: color('text-soft'), grid: { stroke: color('line'), width: 1 }, ticks: { stroke: color('line'), width: 1 } };
  const font = `${narrow ? 11 : 12}px system-ui, sans-serif`;
  return {
    width,
    height: narrow ? 220 : 280,
    scales: { x: { time: false }, y: { range: (_, __, max) => [0, unit === 'percent' ? 100 : max > 0 ? max * 1.05 : 1] } },
    cursor: { drag: { x: false, y: false } },
    axes: [
      // a step has a whole number
      {
        ...line,
        font,
        label: xLabel,
        size: 32,
        labelSize: 18,
        labelGap: 0,
        labelFont: font,
        ...(x.every(Number.isInteger) && x.length <= 30 && { incrs: [1, 2, 5, 10, 20, 25, 50] }),
      },
      {
        ...line,
        font,
        size: (_, ticks) => 16 + 7 * Math.max(4, ...(ticks ?? []).map((tick) => tick.length)),
        values: (_, ticks) => ticks.map((tick) => text(tick, unit)),
      },
    ],
    series: [
      { label: xLabel },
      ...series.map(({ name }, i) => ({
        label: name,
        stroke: color(`series-${(i % COLORS) + 1}`),
        width: 2,
        dash: DASHES[i % DASHES.length] as number[],
        points: { show: x.length < 40, size: 6, fill: color('card') },
        value: (_: uPlot, value: number | null) => (value === null ? '-' : text(value, unit)),
      })),
    ],
  };
}

export function text(value: number, unit: Unit): string {
  if (unit === 'percent') return `${Math.round(value)}%`;
  const short =
    value >= 100
      ? Math.round(value).toLocaleString('en-US')
      : Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 9 });
  return unit === 'usd' ? `$${short}` : `${short} ms`;
}
