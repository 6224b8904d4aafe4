import type { Part } from '../ports/model.ts';
import type { RunEvent } from './events.ts';

/** @see Run.text */
export async function* textOf(events: AsyncIterator<RunEvent>): AsyncGenerator<string, void, undefined> {
  /** The path of the agent that talks to the user: the top agent, or the one that took over the conversation. */
  let speaker: readonly string[] | undefined;
  let handovers: readonly string[] = [];
  /** The step of the last text; undefined if there was none. */
  let last: string | undefined;
  const separated = (event: RunEvent, text: string) => {
    const step = `${event.path.length}:${event.step}`;
    const between = last !== undefined && last !== step ? '\n\n' : '';
    last = step;
    return between + text;
  };
  try {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      const event = next.value;
      speaker ??= event.path.slice(0, 1);
      if (event.type === 'run.ended') {
        // for example a graph, whose only text is its output
        if (last === undefined && event.result.status === 'completed' && typeof event.result.output === 'string') yield event.result.output;
      } else if (event.type === 'agent.started') {
        if (isBelow(event.path, speaker) && handovers.includes(`handoff_to_${event.agent}`)) speaker = event.path;
      } else if (event.type === 'text.delta' && isSame(event.path, speaker)) {
        if (event.text !== '') yield separated(event, event.text);
      } else if (event.type === 'model.finished' && isSame(event.path, speaker)) {
        const { content } = event.message;
        handovers = content.flatMap((part) => (part.type === 'toolCall' ? [part.name] : []));
        const text = content.map((part: Part) => (part.type === 'text' ? part.text : '')).join('');
        // the model did not stream this step
        if (text !== '' && last !== `${event.path.length}:${event.step}`) yield separated(event, text);
      }
    }
  } finally {
    await events.return?.();
  }
}

const isSame = (path: readonly string[], other: readonly string[]) =>
  path.length === other.length && path.every((name, i) => name === other[i]);
const isBelow = (path: readonly string[], above: readonly string[]) => isSame(path.slice(0, -1), above);
