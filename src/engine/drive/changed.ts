/** What a deploy may have changed of the agents of a run, which is looked at before the run is claimed. */
import { RondoError } from '../../errors.ts';
import { withNewFields } from '../../graph/changed.ts';
import { isGraph } from '../../graph/definition.ts';
import type { State } from '../../graph/state.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import type { Frame, RunFold } from '../../journal/fold/fold.ts';
import { openFrames } from '../../journal/fold/frame.ts';
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
  for (const frame of openFrames(run)) {
    const was = kindOf(frame);
    const now = agentOf(top, frame)?.kind;
    if (was !== undefined && now !== undefined && was !== now)
      throw changed(run, frame, `it was ${NAMES[was]} when it began and is ${NAMES[now]} now`, { was, now });
  }
}

/**
 * The entries that give the changed graphs of a run the fields that their states lack.
 * @param root the state of the run's own graph, if it is to be another one than that of the run.
 * @throws RondoError `AGENT_CHANGED` where one cannot go on: a field cannot be filled in, or a node that is to run is gone.
 */
export async function filledStates(top: AgentDefinition, run: RunFold, root?: State): Promise<readonly Draft[]> {
  const drafts: Draft[] = [];
  for (const frame of openFrames(run)) {
    const { kind, state, input = null, tasks } = frame;
    const graph = agentOf(top, frame);
    const before = frame.parent ? frame.fingerprint : run.fingerprint;
    if (!graph || !isGraph(graph) || kind !== 'graph' || graph.fingerprint === before) continue;
    for (const { name } of tasks?.values() ?? [])
      if (!graph.nodes.has(name)) throw changed(run, frame, `it goes on at its node "${name}", which it does not have any more`);
    const filled = await withNewFields(graph, (!frame.parent && root) || (state as State), input);
    if (typeof filled === 'string') throw changed(run, frame, filled);
    if (filled) drafts.push({ type: 'state.changed', ...(frame.parent && { frame: frame.id }), state: filled });
  }
  return drafts;
}

function changed({ runId }: RunFold, { agent, path }: Frame, why: string, more: { was?: Kind; now?: Kind } = {}): RondoError {
  const said =
    `run ${runId} cannot go on, because its agent "${agent}" (${path.join(' > ')}) has changed: ${why}. ` +
    'Give the old one, with this call or by a deploy; or cancel() the run. Nothing was done: the run stays as it is.';
  return new RondoError('AGENT_CHANGED', said, { details: { runId, agent, path: [...path], ...more } });
}
