import type { Approval } from 'rondo';
import { type Answer, ask as askKit, type Background } from '../../kit/ask.ts';
import { paragraphs } from '../../kit/safe.ts';
import { Screen, type Terminal } from '../../kit/screen.ts';
import { print, proseWidth } from './text.ts';

/** The whole question: a person must see all that they decide on. */
export function showApproval(asked: Approval, columns = proseWidth()): void {
  if (asked.kind !== 'tool') return;
  const { title = '', brief = '' } = asked.input as { title?: string; brief?: string };
  const head = `APPROVAL ${asked.path.join(' > ')} > ${asked.tool}, sha256 ${asked.digest.slice(0, 6)}..: ${title}`;
  const [first = '', ...more] = paragraphs(head, columns - 5);
  print(`  +- ${first}`);
  for (const text of [...more, ...paragraphs(`asked because ${asked.reason ?? 'it was declared so'}\n${brief.trimEnd()}`, columns - 5)])
    print(`  |  ${text}`.trimEnd());
}

/** Asks at the terminal. `quit`: later, also for the end of the input. */
export const ask = (asked: Approval, terminal: Terminal, why: Background['why']): Promise<Answer> =>
  askKit(terminal, new Screen(terminal), asked, { effect: 'once', why, show: () => showApproval(asked) });
