import { createInterface, type Interface } from 'node:readline/promises';
import type { Approval, Decision, Json } from 'rondo';
import { edited } from './edit.ts';
import { oneLine, safe, safeLines } from './safe.ts';
import type { Screen, Terminal } from './screen.ts';

/** What a person may ask for before deciding. */
export interface Background {
  effect: string;
  /** Shows the question, where the example has its own way. */
  show?(): void;
  /** The entries that led here, one line each, safe to show. */
  why(): Promise<readonly string[]>;
}

/** `quit`: decide later. `interrupted`: Ctrl-C. */
export type Answer = Decision | 'quit' | 'interrupted';

const ID = 8;

/** The question, as shown with and without a terminal. */
export function showApproval(screen: Screen, a: Approval, effect: string): void {
  const width = screen.width - 5;
  if (a.kind !== 'tool') {
    screen.line(`  +- QUESTION ${safe(a.id.slice(0, ID))}`);
    for (const line of safeLines(a.kind === 'question' ? a.question : `consent for ${a.provider}: ${a.url}`)) screen.line(`  |  ${line}`);
    return;
  }
  screen.line(`  +- APPROVAL ${safe(a.id.slice(0, ID))}   effect: ${effect}   arguments sha256 ${safe(a.digest.slice(0, 6))}..`);
  for (const line of glance(a.input)) screen.line(`  |  ${oneLine(line, width)}`);
}

/** A mail by its recipient and subject; anything else by its fields. */
function glance(input: Json): string[] {
  if (typeof input !== 'object' || input === null) return [JSON.stringify(input)];
  const { to, subject, ...rest } = input as { readonly [k: string]: Json };
  if (typeof to === 'string' && typeof subject === 'string') return [`to ${to}   "${subject}"`];
  return Object.entries({ ...(to !== undefined && { to }), ...(subject !== undefined && { subject }), ...rest }).map(
    ([k, v]) => `${k}: ${JSON.stringify(v)}`,
  );
}

/** Asks until there is a decision. The end of the input means "decide later". */
export async function ask(terminal: Terminal, screen: Screen, a: Approval, background: Background): Promise<Answer> {
  if (background.show) background.show();
  else showApproval(screen, a, background.effect);
  const keys = createInterface({
    input: terminal.input,
    output: terminal.output as NodeJS.WritableStream,
    terminal: terminal.input.isTTY === true,
  });
  let interrupted = false;
  const stop = new AbortController();
  keys.once('SIGINT', () => {
    interrupted = true;
    stop.abort();
  });
  keys.once('close', () => stop.abort());
  try {
    for (;;) {
      const word = (await keys.question(`  +- ${menu(a)} > `, { signal: stop.signal })).trim().toLowerCase();
      const decided = await decide(word, a, keys, stop.signal, terminal, screen, background);
      if (decided) return decided;
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    screen.line();
    return interrupted ? 'interrupted' : 'quit';
  } finally {
    keys.close();
  }
}

const menu = ({ allow }: Approval) =>
  [
    allow.includes('approve') && '[a]pprove',
    allow.includes('edit') && '[e]dit',
    allow.includes('respond') && '[r]espond',
    allow.includes('reject') && (allow.includes('respond') ? '[n]o answer' : '[r]eject'),
    '[s]how [w]hy [q]uit and decide later',
  ]
    .filter(Boolean)
    .join(' ');

async function decide(
  word: string,
  a: Approval,
  keys: Interface,
  signal: AbortSignal,
  terminal: Terminal,
  screen: Screen,
  background: Background,
): Promise<Answer | undefined> {
  const may = (type: Decision['type']) => a.allow.includes(type);
  if ((word === 'a' || word === 'approve') && may('approve')) return { approval: a.id, type: 'approve' };
  if ((word === 'r' || word === 'respond') && may('respond'))
    return { approval: a.id, type: 'respond', answer: await keys.question('  +- your answer > ', { signal }) };
  if ((word === 'r' || word === 'n' || word === 'reject') && may('reject')) {
    const reason = (await keys.question('  +- why not > ', { signal })).trim();
    return { approval: a.id, type: 'reject', reason: reason || 'no reason given' };
  }
  if ((word === 'e' || word === 'edit') && may('edit') && a.kind === 'tool') {
    const input = await edited(a.input, terminal, (question) => keys.question(question, { signal }), screen);
    return input === undefined ? undefined : { approval: a.id, type: 'edit', input };
  }
  if (word === 'q' || word === 'quit') return 'quit';
  if (word === 's' || word === 'show') for (const line of full(a)) screen.line(`  |  ${line}`);
  else if (word === 'w' || word === 'why') for (const line of await background.why()) screen.line(`  |  ${line}`);
  else if (word !== '') screen.line(`  |  "${oneLine(word, 20)}" is none of these`);
  return undefined;
}

/** Everything that the decision is about: strings as text, the rest as JSON. */
function full(a: Approval): string[] {
  if (a.kind !== 'tool') return safeLines(a.kind === 'question' ? a.question : a.url);
  const head = [
    `${a.tool}, run ${a.runId}, approval ${a.id}`,
    `arguments sha256 ${a.digest}`,
    ...(a.reason ? [`asked because ${a.reason}`] : []),
  ].map(safe);
  if (typeof a.input !== 'object' || a.input === null) return [...head, safe(JSON.stringify(a.input))];
  const fields = Object.entries(a.input as { readonly [k: string]: Json }).flatMap(([name, value]) => {
    const lines = safeLines(typeof value === 'string' ? value : JSON.stringify(value, null, 2));
    return lines.length === 1 ? [`${safe(name)}: ${lines[0]}`] : [`${safe(name)}:`, ...lines.map((line) => `  ${line}`)];
  });
  return [...head, ...fields];
}
