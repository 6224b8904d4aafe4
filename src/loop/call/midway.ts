/** Calls that ask a person while they run, see `NeedsPerson`. */

import type { NeedsPerson } from '../../errors.ts';
import { request } from '../../hitl/approvals.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import type { Call } from '../../journal/fold/fold.ts';
import { plainJson } from '../../json.ts';
import { bounded } from '../../reliability/classify.ts';
import type { Scope } from '../types.ts';

type Finished = Extract<Draft, { type: 'call.finished' }>;

/** Most characters of the JSON of a question and of the state that a call leaves. */
const MOST = 65_536;

/**
 * The question in place of the end of a call that asked one. Undefined for a call that has really ended, as a wrapper answered in its place.
 */
export function midway({ run }: Scope, call: Call, asked: NeedsPerson, ended: Finished): Draft | undefined {
  if (ended.ok || ended.error?.code !== 'PERSON_NEEDED') return undefined;
  try {
    const state = plainJson(asked.state);
    const { asks } = asked;
    if (JSON.stringify([state, asks]).length > MOST) throw new Error(`what it left for later is longer than ${MOST} characters`);
    return request(
      run.runId,
      call,
      {
        rule: 'url' in asks && asks.reason !== undefined ? { reason: asks.reason } : {},
        ...('question' in asks
          ? { question: { question: asks.question, ...(asks.answer && { answer: asks.answer }) } }
          : { consent: { provider: asks.provider, url: asks.url, ...(asks.handle !== undefined && { handle: asks.handle }) } }),
        midway: { state },
      },
      0,
    );
  } catch (error) {
    // what cannot be asked ends the call
    ended.error.message = bounded(`No person could be asked: ${(error as Error).message}.`);
    return undefined;
  }
}
