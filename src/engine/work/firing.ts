/** One time of a schedule, and the run that it starts. */
import { sha256 } from '../../journal/canonical.ts';
import type { Json } from '../../json.ts';
import { type About, aboutStart } from '../about.ts';
import type { EnqueueOptions } from '../options.ts';
import type { ScheduleState } from './schedule-store.ts';

type Firing = Pick<ScheduleState, 'by' | 'name'>;

/** The id of the run of one time. */
export const runIdOf = ({ by, name }: Firing, at: number) => `at-${sha256(JSON.stringify([by.tenant ?? null, name, at])).slice(0, 32)}`;

/** The options of the run of one time. */
export const startOf = (state: Firing & Pick<ScheduleState, 'context'>, at: number): EnqueueOptions<Json> => ({
  id: runIdOf(state, at),
  by: state.by,
  ...(state.context !== undefined && { context: state.context }),
});

/** What the policy is asked about: the run that the time would start. */
export const aboutFiring = (state: Firing & Pick<ScheduleState, 'agent'>, at: number): About =>
  aboutStart(runIdOf(state, at), { agent: state.agent, by: state.by });

/** The run of the next time of a schedule; of the newest one where there is no next. */
export const aboutNext = (state: ScheduleState): About => aboutFiring(state, state.next ?? state.last);
