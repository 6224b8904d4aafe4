import { createInterface } from 'node:readline/promises';
import type { Approval, Decision } from 'rondo';
import { print, safe } from './text.ts';

/** What is asked, in full: nobody can decide on what they did not see. */
export function showApproval(asked: Approval): void {
  if (asked.kind !== 'tool') return;
  const { title = '', brief = '' } = asked.input as { title?: string; brief?: string };
  print(`  +- APPROVAL ${asked.path.map(safe).join(' > ')} > ${safe(asked.tool)}, sha256 ${asked.digest.slice(0, 6)}..: ${safe(title)}`);
  for (const text of [`asked because ${asked.reason ?? 'it was declared so'}`, ...brief.trimEnd().split('\n')])
    print(`  |  ${safe(text)}`.trimEnd());
}

/** Asks at the terminal. Undefined: later, also for Ctrl-C and the end of the input. */
export async function ask({ id }: Approval, input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Promise<Decision | undefined> {
  const keys = createInterface({ input, output });
  const stop = new AbortController();
  for (const event of ['SIGINT', 'close'] as const) keys.once(event, () => stop.abort());
  const answer = async (prompt: string) => (await keys.question(`  +- ${prompt} > `, stop)).trim();
  try {
    for (;;) {
      const word = (await answer('[a]pprove [r]eject [q]uit and decide later')).toLowerCase();
      if (word === 'a') return { approval: id, type: 'approve' };
      if (word === 'r') return { approval: id, type: 'reject', reason: (await answer('why not')) || 'no reason given' };
      if (word === 'q') return undefined;
    }
  } catch (error) {
    if (stop.signal.aborted) return undefined;
    throw error;
  } finally {
    keys.close();
  }
}
