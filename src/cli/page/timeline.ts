/** The timeline of a run, chosen by its name. */
import type { Timeline, TimelineRow } from './data.ts';
import { text } from './plots.ts';

const PARTS = ['observe', 'think', 'act'];

export function timelines(all: readonly Timeline[]): void {
  const figure = document.getElementById('timeline');
  const list = figure?.querySelector('ol');
  const select = figure?.querySelector('select');
  if (!list || !select) return;
  const show = () => {
    const run = all[select.selectedIndex];
    if (!run) return;
    list.replaceChildren(...run.rows.map((row) => rowOf(row, run.ms)));
    const told = figure?.querySelector('output');
    if (told) told.textContent = run.error ? `${text(run.ms, 'ms')}, ${run.error}` : text(run.ms, 'ms');
  };
  select.addEventListener('change', show);
  show();
}

/** The position is set by script: the page's policy forbids styles in the markup. */
function rowOf({ label, kind, depth, at, ms, error }: TimelineRow, whole: number): HTMLElement {
  const share = (value: number) => `${Math.min(100, (Math.max(0, value) / Math.max(whole, 1e-6)) * 100)}%`;
  const row = made('li', kind);
  row.style.setProperty('--depth', String(Math.min(depth, 4)));
  const track = made('span', 'track');
  let from = at;
  for (const [i, part] of ms.entries()) {
    const bar = made('span', `bar ${error ? 'error' : kind === 'step' ? (PARTS[i] ?? '') : 'tool'}`);
    bar.style.left = share(from);
    bar.style.width = share(part);
    track.append(bar);
    from += part;
  }
  const times = kind === 'step' ? ms.map((part, i) => `${PARTS[i]} ${text(part, 'ms')}`).join(', ') : text(ms[0] ?? 0, 'ms');
  row.append(made('span', 'label', label), track, made('span', 'times', error ? `${times}, ${error}` : times));
  return row;
}

function made(tag: string, name: string, content = ''): HTMLElement {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = content;
  return element;
}
