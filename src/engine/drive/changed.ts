/** What a deploy may have changed of the agents of a run, which is looked at before the run is claimed. */
import { RondoError } from '../../errors.ts';
import type { Frame, RunFold } from '../../journal/fold/fold.ts';
import type { AgentDefinition } from '../../loop/types.ts';
import { agentOf } from '../read/lookup.ts';

type Kind = AgentDefinition['kind'];

const NAMES: Readonly<Record<Kind, string>> = { loop: 'an agent with a model', graph: 'a graph', foreign: 'a foreign agent' };

/** The kind of agent that made the entries of a frame; undefined where it has made none. */
const kindOf = ({ kind, step }: Frame): Kind | undefined => kind ?? (step > 0 ? 'loop' : undefined);

/**
 * An agent that goes on with the entries of another kind would append what the fold refuses, so the run could never be read again.
 * @throws RondoError `AGENT_CHANGED`
 */
export function assertSameKinds(top: AgentDefinition, run: RunFold): void {
  for (const frame of [run.root, ...run.frames.values()]) {
    const was = kindOf(frame);
    const now = agentOf(top, frame)?.kind;
    if (was === undefined || now === undefined || was === now) continue;
    const { agent, path } = frame;
    throw new RondoError(
      'AGENT_CHANGED',
      `run ${run.runId} goes on in agent "${agent}" (${path.join(' > ')}), which was ${NAMES[was]} when it began and is ${NAMES[now]} now. ` +
        `Give the old one, with this call or by a deploy, and resume the run; or cancel() it. Nothing was done: the run waits.`,
      { details: { runId: run.runId, agent, path: [...path], was, now } },
    );
  }
}
