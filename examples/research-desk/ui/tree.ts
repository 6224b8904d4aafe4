/** The tree of agents: each with its time, and with its own tokens and dollars. */
import type { AgentState, Entry } from 'rondo';
import { safe } from '../../kit/safe.ts';
import { KINDS } from '../desk.ts';
import { PRICED } from '../standin/model.ts';
import { dollars, duration, number, print, tell, width } from './text.ts';

/** A narrow terminal shows the time, the tokens and the dollars. */
function row(name: string, kind: string, ...numbers: readonly string[]): void {
  const [time = '', answers = '', ...rest] = numbers;
  if (width() < 92) print((name.padEnd(20) + [time, ...rest].map((n) => n.padStart(10)).join('')).trimEnd());
  else print((name.padEnd(22) + kind.padEnd(10) + [time, answers, ...rest].map((n) => n.padStart(10)).join('')).trimEnd());
}

export function printTree(tree: AgentState, entries: readonly Entry[], standins: readonly string[]): void {
  const about = (agent: string, n: number) => `${standins.includes(agent) ? '~' : ''}${number(n)}`;
  const last = entries.at(-1)?.at ?? tree.startedAt;
  const time = worked(entries);
  const walk = (node: AgentState, depth: number) => {
    const { agent, status, error, agents } = node;
    const kind = KINDS[agent] ?? '';
    // its own part: without the agents below it
    const own = (of: (s: AgentState) => number) => of(node) - agents.reduce((sum, child) => sum + of(child), 0);
    const usd = own((s) => s.costUsd ?? Number.NaN);
    row(
      `${'  '.repeat(depth)}${depth ? '+ ' : ''}${agent}`,
      kind,
      duration(depth ? (node.endedAt ?? last) - node.startedAt : time),
      // agents of other frameworks report tokens, but not the number of answers
      kind === 'own' ? number(own((s) => s.steps)) : '-',
      about(agent, own(input)),
      about(agent, own(output)),
      dollars(Number.isNaN(usd) ? undefined : Math.max(usd, 0)),
      status === 'completed' ? '' : `  ${safe(error ?? status)}`,
    );
    for (const child of agents) walk(child, depth + 1);
  };
  print();
  row('agent', 'kind', 'time', 'answers', 'tokens in', 'out', 'dollars');
  walk(tree, 0);
  const [any = ''] = standins;
  row('total', '', duration(time), number(tree.steps), about(any, input(tree)), about(any, output(tree)), dollars(tree.costUsd));
  const waited = last - tree.startedAt - time;
  tell(`times include the agents below${waited > 0 ? `, and not ${duration(waited)} in which it waited for a person or a process` : ''}`);
  if (standins.length === 0) return;
  tell(`~ stand-ins (${standins.join(', ')}): estimated. They are no models, and nothing is paid for them:`);
  tell(`  their dollars are what it would cost at ${PRICED}`);
}

const output = ({ usage }: AgentState) => usage.output;
const input = ({ usage: { input, cacheRead = 0, cacheWrite = 0 } }: AgentState) => input + cacheRead + cacheWrite;

/** Milliseconds in which a process worked on the run; it excludes the time before a claim and that of a decision. */
const worked = (entries: readonly Entry[]) =>
  entries
    .filter((e) => e.type !== 'approval.decided')
    .reduce((sum, e, i, all) => sum + (e.type === 'run.claimed' ? 0 : e.at - (all[i - 1]?.at ?? e.at)), 0);
