/**
 * A report as one page: its data, script and style are in it, and its policy forbids everything else, so it loads nothing and runs nothing
 * that a name or an error may hold.
 */
import { createHash } from 'node:crypto';
import { type Report, type Summary, summarised } from '../../bench/index.ts';
import { escaped } from '../../server/html.ts';
import { comparisonTables, conditionTable, type Findings } from './compared.ts';
import { count, ms, NONE, share, usd } from './format.ts';
import { pageData } from './page-data.ts';
import { type Table, tablesOf } from './tables.ts';
import { countsOf, factsOf, titleOf } from './words.ts';

const CHARTS: Record<string, { title: string; note: string; wide?: true }> = {
  latency: { title: 'Latency', note: 'At p of the x axis, p percent of the runs or steps that passed took at most as long.', wide: true },
  'step-cost': { title: 'Cost by step', note: 'The mean dollars of the n-th model answer of a run.' },
  'turn-cost': { title: 'Cost against turns', note: 'The mean dollars of a run after n model answers.' },
  cache: { title: 'Cache share', note: 'How much of the input of the n-th answer was read from a cache.', wide: true },
};

export async function page({ report, comparisons, outcomes }: Findings): Promise<string> {
  // in the package it is text; from the sources it is bundled now
  const { script, style } = await import('./assets.ts');
  const { data, leftOut } = pageData(report);
  const told = [...(outcomes.length > 0 ? [conditionTable(outcomes)] : []), ...comparisonTables(comparisons)];
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const figures = data.charts.map(({ id, plots }) =>
    figure(
      id,
      plots.map(({ name }) => name),
    ),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escaped(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(titleOf(report))}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escaped(report.name)}</h1>
<p class="facts">${escaped(`${countsOf(report)} · ${factsOf(report)}`)}</p>
${report.incomplete ? '<p class="alarm">Incomplete: not all runs were made.</p>' : ''}
<div class="cards">
${wholes(report)
  .map((summary) => card(summary, report))
  .join('\n')}
</div>
</header>
<main>
${told.map(section).join('\n')}
${money(report)}
${timelineFigure(
  data.timelines.map(({ name }) => name),
  leftOut,
)}
${figures.join('\n')}
${tablesOf(report).map(section).join('\n')}
<noscript><p class="note">The plots need JavaScript. The tables do not.</p></noscript>
</main>
<script type="application/json" id="data">${inScript(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}

const hashOf = (text: string) => `sha256-${createHash('sha256').update(text).digest('base64')}`;

/** The first summary of a variant is that of all its scenarios. */
const wholes = (report: Report) =>
  report.variants.flatMap((variant) => summarised(report).find((summary) => summary.variant === variant) ?? []);

function card({ variant, passed, runs, passRate, run }: Summary, { variants }: Report): string {
  const facts: [string, string][] = [
    ['passed', `${passed} of ${runs} (${share(passRate.value)})`],
    ['run, p50', run.ms ? `${ms(run.ms.p50)} ms` : NONE],
    ['run, p95', run.ms ? `${ms(run.ms.p95)} ms` : NONE],
    ['first token, p50', run.firstTokenMs ? `${ms(run.firstTokenMs.p50)} ms` : NONE],
    ['cost of a run', passed === 0 ? NONE : usd(run.costUsd?.mean)],
    ['cost of 1,000 runs', passed === 0 ? NONE : usd(run.costUsd && run.costUsd.mean * 1_000)],
    ['model calls', count(run.modelCalls?.mean)],
  ];
  const rows = facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`);
  return `<div class="card"><h2>${escaped(variants.length > 1 ? variant : 'all runs')}</h2><dl>${rows.join('')}</dl></div>`;
}

/** Folded at first: what few readers ask for, and is long. */
const isFolded = ({ id, rows }: Table) => /^compare-\d+-[1-9]/.test(id) || (id === 'time' && rows.length > LONG);
const LONG = 12;

function section(table: Table): string {
  const { id, title, note, columns, rows } = table;
  const kind = (i: number) => (columns[i]?.number ? 'number' : 'text');
  const head = columns.map(({ name }, i) => `<th scope="col" class="${kind(i)}">${escaped(name)}</th>`);
  const body = rows.map((row) => `<tr>${row.map((cell, i) => `<td class="${kind(i)}">${escaped(cell)}</td>`).join('')}</tr>`);
  const heading = `<h2 id="${escaped(id)}-title">${escaped(title)}</h2>`;
  const [open, close] = isFolded(table) ? [`<details><summary>${heading}</summary>`, '</details>'] : [heading, ''];
  return `<section class="wide" id="${escaped(id)}" aria-labelledby="${escaped(id)}-title">${open}
<div class="scroll" tabindex="0" role="region" aria-labelledby="${escaped(id)}-title"><table><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>
${note ? `<p class="note">${escaped(note)}</p>` : ''}${close}</section>`;
}

/** Where the dollars went: the sum over the runs that passed of each agent, model and tool, with bars that need no script. */
function money(report: Report): string {
  const parts = wholes(report).flatMap((summary) => {
    const of = report.variants.length > 1 ? `${summary.variant} · ` : '';
    const each = (kind: string, list: Summary['agents']) => list.map(({ name, costUsd }) => ({ kind, name: of + name, costUsd }));
    return [...each('agent', summary.agents), ...each('model', summary.models), ...each('tool', summary.tools)];
  });
  const known = parts.flatMap((part) => (part.costUsd === null || part.costUsd === 0 ? [] : [{ ...part, costUsd: part.costUsd }]));
  if (known.length === 0) return '';
  const most = Math.max(...known.map(({ costUsd }) => costUsd));
  const bar = ({ kind, name, costUsd }: (typeof known)[number]) =>
    `<tr><td class="text">${kind}</td><td class="text">${escaped(name)}</td><td class="text"><meter max="${most}" value="${costUsd}">${usd(costUsd)}</meter></td><td class="number">${usd(costUsd)}</td></tr>`;
  return `<section class="wide" id="cost" aria-labelledby="cost-title"><h2 id="cost-title">Cost by agent, model and tool</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="cost-title"><table><thead><tr><th scope="col">of</th><th scope="col">name</th><th scope="col">share</th><th scope="col" class="number">cost</th></tr></thead><tbody>${known.map(bar).join('')}</tbody></table></div>
<p class="note">Sums over the runs that passed. Agents and models share the same dollars; a tool has those that it says its calls cost.</p></section>`;
}

const chooser = (label: string, names: readonly string[]) =>
  `<select aria-label="${escaped(label)}">${names.map((name) => `<option>${escaped(name)}</option>`).join('')}</select>`;

function figure(id: string, names: readonly string[]): string {
  const { title, note, wide } = CHARTS[id] ?? { title: id, note: '' };
  const choice = names.length > 1 ? chooser(`${title} of`, names) : '';
  return `<figure id="${id}"${wide ? ' class="wide"' : ''}><figcaption><h2>${title}</h2>${choice}<p class="note">${note}</p></figcaption>
<div class="plot" role="img" aria-label="${title}. ${note} The tables below have the numbers."></div></figure>`;
}

function timelineFigure(names: readonly string[], leftOut: number): string {
  if (names.length === 0) return '';
  const key = ['observe', 'think', 'act', 'tool', 'error'].map((part) => `<span class="of-${part}">${part}</span>`);
  const left = leftOut > 0 ? ` The timelines of ${leftOut} more runs are left out, so that the page stays small.` : '';
  return `<figure id="timeline" class="wide"><figcaption><h2>Timeline of a run</h2>${chooser('Run', names)} <output class="note"></output>
<p class="note">Each step observes, thinks (the model call) and acts (its tools).${left}</p></figcaption>
<ol></ol><div class="key">${key.join('')}</div></figure>`;
}

/** JSON in which nothing can end the element that it stands in. */
const inScript = (data: unknown) =>
  JSON.stringify(data).replace(/[<\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
