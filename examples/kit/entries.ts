import type { Entry, Json } from 'rondo';
import { oneLine, wrapped } from './safe.ts';
import { dollars, seconds } from './screen.ts';

/** Under the text of an entry. */
const INDENT = 17;

/** The entries of a journal after a sequence number, at most three lines each: what `show`, `[w]hy` and the crash demo print. */
export function describeEntries(entries: readonly Entry[], width: number, after = -1): string[] {
  const calls = new Map<string, string>();
  const start = entries[0]?.at ?? 0;
  return entries.flatMap((entry) => {
    const at = `+${((entry.at - start) / 1_000).toFixed(2)}s`;
    const head = `${String(entry.seq).padStart(4)} ${at.padStart(10)}  `;
    const text = `${entry.type} ${say(entry, calls)}`;
    if (entry.seq <= after) return [];
    return wrapped(text, width - INDENT, 3).map((line, i) => (i === 0 ? head : ' '.repeat(INDENT)) + line);
  });
}

function say(e: Entry, calls: Map<string, string>): string {
  const call = (id: string) => calls.get(id) ?? id;
  switch (e.type) {
    case 'run.started':
      return oneLine(
        `agent ${e.agent}${e.by ? ` for ${e.by.id}` : ''}: ${typeof e.input === 'string' ? e.input : JSON.stringify(e.input)}`,
        200,
      );
    case 'run.claimed':
      return oneLine(`by ${e.owner}, epoch ${e.epoch}`, 100);
    case 'run.settled':
      return oneLine(`${e.status}${e.error ? ` ${e.error.code}` : ''}${e.limit ? ` at ${e.limit.name} ${e.limit.max}` : ''}`, 100);
    case 'context.changed':
      return oneLine(
        e.tools
          ? `tools found: ${e.tools.map((t) => t.name).join(', ')}`
          : Object.keys(e)
              .filter((k) => k === 'instructions' || k === 'memory')
              .join(', '),
        200,
      );
    case 'model.responded': {
      let index = 0;
      const asked: string[] = [];
      const words: string[] = [];
      for (const part of e.content) {
        if (part.type === 'toolCall') {
          calls.set(`${e.seq}.${index++}`, `${part.name} ${brief(part.name, part.input)}`);
          asked.push(`${part.name} ${brief(part.name, part.input)}`);
        } else if (part.type === 'reasoning' || part.type === 'text') words.push(part.text);
      }
      return oneLine(
        `step ${e.step} ${e.model} ${dollars(e.usd)}: ${words.join(' ')}${asked.length ? ` -> ${asked.join('; ')}` : ''}`,
        300,
      );
    }
    case 'attempt.failed':
      return oneLine(
        `${e.of === 'model' ? 'model' : call(e.of)} attempt ${e.attempt}: ${e.code}${e.retryIn === undefined ? '' : `, wait ${seconds(e.retryIn)}`}`,
        200,
      );
    case 'call.started':
      return oneLine(`${call(e.call)} (${e.effect})`, 100);
    case 'call.finished':
      return oneLine(
        `${call(e.call)} ${e.error ? `${e.error.code}, outcome ${e.error.outcome}` : 'ok'} after ${seconds(e.ms)}, ${e.attempts} attempt${e.attempts === 1 ? '' : 's'}`,
        200,
      );
    case 'approval.requested':
      return oneLine(`${e.id} for ${e.tool}, arguments sha256 ${e.digest.slice(0, 12)}`, 200);
    case 'approval.decided':
      return oneLine(`${e.id} ${e.decision.type} by ${e.by.id}`, 200);
    case 'outcome.settled':
      return oneLine(`${call(e.call)} ${e.outcome} (${e.source})`, 200);
    default:
      return '';
  }
}

/** A call's arguments, as short as they can be said. */
export function brief(tool: string, input: Json): string {
  if (typeof input !== 'object' || input === null) return '';
  const fields = input as { readonly [k: string]: Json };
  if (tool === 'search_issues') return JSON.stringify(fields.query ?? '');
  if (tool === 'send_mail') return JSON.stringify(fields.subject ?? '');
  return `{${Object.entries(fields)
    .map(([k, v]) => `${k}: ${typeof v === 'string' ? v : JSON.stringify(v)}`)
    .join(', ')}}`;
}
