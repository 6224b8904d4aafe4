import type { Part } from '../../ports/model.ts';
import type { RunEvent } from './run-event.ts';

/** Tells whether an event is of the agent that talks to the user: the top agent, or the one that took over the conversation. */
export function speaking(): (event: RunEvent) => boolean {
  let speaker: readonly string[] | undefined;
  let handovers: readonly string[] = [];
  return (event) => {
    speaker ??= event.path.slice(0, 1);
    if (event.type === 'agent.started' && isBelow(event.path, speaker) && handovers.includes(`handoff_to_${event.agent}`))
      speaker = event.path;
    const speaks = isSame(event.path, speaker);
    if (speaks && event.type === 'model.finished')
      handovers = event.message.content.flatMap((part) => (part.type === 'toolCall' ? [part.name] : []));
    return speaks;
  };
}

/** The text of a model's answer. */
export const spokenIn = (content: readonly Part[]): string => content.map((part) => (part.type === 'text' ? part.text : '')).join('');

/** Tells of each event of a run, in order, which text for the user it adds: see `Run.text`. */
export function texter(): (event: RunEvent) => string {
  const speaks = speaking();
  /** The step of the last text; undefined if there was none. */
  let last: string | undefined;
  const separated = (step: string, text: string) => {
    const between = last !== undefined && last !== step ? '\n\n' : '';
    last = step;
    return between + text;
  };
  return (event) => {
    const spoken = speaks(event);
    // for example a graph, whose only text is its output
    if (event.type === 'run.ended')
      return last === undefined && event.result.status === 'completed' && typeof event.result.output === 'string'
        ? event.result.output
        : '';
    if (!spoken) return '';
    const step = `${event.path.length}:${event.step}`;
    if (event.type === 'text.delta') return event.text === '' ? '' : separated(step, event.text);
    if (event.type !== 'model.finished') return '';
    const text = spokenIn(event.message.content);
    // the model did not stream this step
    return text !== '' && last !== step ? separated(step, text) : '';
  };
}

/** @see Run.text */
export async function* textOf(events: AsyncIterator<RunEvent>): AsyncGenerator<string, void, undefined> {
  const said = texter();
  try {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      const text = said(next.value);
      if (text !== '') yield text;
    }
  } finally {
    await events.return?.();
  }
}

const isSame = (path: readonly string[], other: readonly string[]) =>
  path.length === other.length && path.every((name, i) => name === other[i]);
const isBelow = (path: readonly string[], above: readonly string[]) => isSame(path.slice(0, -1), above);
