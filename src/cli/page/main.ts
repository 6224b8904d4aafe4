/** The script of the page. */
import type { PageData } from './data.ts';
import { draw } from './plots.ts';
import { timelines } from './timeline.ts';

const data = JSON.parse(document.getElementById('data')?.textContent ?? '{"charts":[],"timelines":[]}') as PageData;
for (const chart of data.charts) draw(chart);
timelines(data.timelines);
