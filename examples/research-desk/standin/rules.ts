/** The rules of the Rondo agents, first match first. */
import type { Evidence } from '../evidence.ts';
import type { Move, Seen } from './model.ts';

export const TASK = 'Write a one-page brief for the council on the night bus pilot.';
const OTHER_TASK = 'I only know this job: a brief on the night bus pilot. For any other, set RONDO_MODEL=<provider>:<model id>.';
const DRAFTS = 3;

const delegated = (name: string, task: string) => ({ name, input: { task } });
const say = (rule: string, text: string): Move => ({ rule, say: text });

export function desk({ task, calls }: Seen): Move {
  if (task.trim() !== TASK) return say('rule 0: a task that no rule knows', OTHER_TASK);
  const last = (name: string) => calls.findLast((c) => c.name === name);
  const [research, finance, draft, check, published] = ['research', 'finance', 'writing', 'verification', 'publish'].map(last);
  if (!research || !finance)
    return {
      rule: 'rule 1: nothing is known yet, ask research and finance side by side',
      call: [
        delegated('research', 'Night bus: operator report, survey of passengers, road safety, drivers, council decision'),
        delegated('finance', 'Night bus pilot: growth of trips, cost of a trip at first and now, cost in all, share covered by fares'),
      ],
    };
  const failed = [research, finance, draft, check].find((c) => c && !c.ok);
  if (failed) return say(`rule 7: ${failed.name} failed, nothing is published`, `No brief: ${failed.name} failed. ${failed.text}`);
  const drafts = calls.filter((c) => c.name === 'writing').length;
  const known = `${TASK}\nNOTES\n${research.text}\nFIGURES\n${finance.text}`;
  if (!draft) return { rule: 'rule 2: both are in, have it written', call: [delegated('writing', known)] };
  if (calls.filter((c) => c.name === 'verification').length < drafts)
    return { rule: `rule 3: draft ${drafts} is here, have it verified`, call: [delegated('verification', draft.text)] };
  if (!check?.text.startsWith('VERIFIED')) {
    if (drafts >= DRAFTS) return say('rule 6: no draft can be proven, give up', `Not published: ${check?.text}`);
    const problems = `${known}\nDRAFT\n${draft.text}\nPROBLEMS\n${check?.text}`;
    return { rule: 'rule 4: problems were found, back to writing', call: [delegated('writing', problems)] };
  }
  if (!published) {
    const title = /^# (.*)/.exec(draft.text)?.[1] ?? 'Brief';
    return { rule: 'rule 5: every figure is proven, publish', call: [{ name: 'publish', input: { title, brief: draft.text } }] };
  }
  if (published.ok) return say('rule 8: it is published', `Published after ${drafts} drafts. ${check.text}`);
  return say('rule 9: it was not published', `NOT published: ${published.text}`);
}

/** Arranges notes and figures. Its first draft has two digits swapped on purpose, for verification to find. */
export function writing({ task }: Seen): Move {
  const part = (name: string) => new RegExp(`^${name}\\n((?:- .*(?:\\n|$))*)`, 'm').exec(task)?.[1]?.trimEnd() ?? '';
  const notes = part('NOTES').split('\n');
  const linesOf = (council: boolean) => notes.filter((line) => line.includes('[council-minutes]') === council).join('\n');
  const draft = `# Night bus pilot: a brief for the council\n
## What is known\n${linesOf(false)}\n
## What it costs\n${part('FIGURES')}\n
## What is to be decided\n${linesOf(true)}\n`;
  if (/^PROBLEMS$/m.test(task)) return say('rule 2: written again from the notes, with the problems put right', draft);
  const wrong = draft.replace(/(\d),(\d)(\d)/, '$1,$3$2');
  return say('rule 1: written from the notes, with two digits swapped on purpose', wrong);
}

export function verification({ task, calls }: Seen): Move {
  const [check] = calls;
  if (!check) return { rule: 'rule 1: check every figure and source', call: [{ name: 'check_draft', input: { draft: task } }] };
  if (!check.ok) return say('rule 3: the check failed', `NOT VERIFIED: ${check.text}`);
  const { figures, citations, problems } = JSON.parse(check.text) as Evidence;
  if (problems.length === 0) return say('rule 2: all holds', `VERIFIED: ${figures} figures and ${citations} citations hold.`);
  return say('rule 2: some of it does not hold', `PROBLEMS in ${figures} figures:\n${problems.map((p) => `- ${p}`).join('\n')}`);
}
