import type { Part } from '../ports/model.ts';
import type { RunEvent } from './events.ts';

/** @see Run.text */
export async function* textOf(events: AsyncIterator<RunEvent>): AsyncGenerator<string, void, undefined> {
  /** Who talks to the user: the top agent, or the one that it handed the conversation over to. */
  let speaker: readonly string[] | undefined;
  let handovers: readonly string[] = [];
  /** The step whose text came last, and whether any came. */
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
        // a graph, say, has no text but its output
        if (last === undefined && event.result.status === 'completed' && typeof event.result.output === 'string') yield event.result.output;
      } else if (event.type === 'agent.started') {
        if (isBelow(event.path, speaker) && handovers.includes(`handoff_to_${event.agent}`)) speaker = event.path;
      } else if (event.type === 'text.delta' && isSame(event.path, speaker)) {
        if (event.text !== '') yield separated(event, event.text);
      } else if (event.type === 'model.finished' && isSame(event.path, speaker)) {
        const { content } = event.message;
        handovers = content.flatMap((part) => (part.type === 'toolCall' ? [part.name] : []));
        const text = content.map((part: Part) => (part.type === 'text' ? part.text : '')).join('');
        // a model that does not stream has shown nothing of it
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
