import { onTestFinished } from 'vitest';
import { agent, Engine, type EngineOptions, type Work, type WorkOptions } from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around } from '../kit/journals.ts';

/** A clock that only the test moves. */
export class Clock {
  now = 1_800_000_000_000;
  forward(ms: number): void {
    this.now += ms;
  }
  of(journal: Journal): Journal {
    return around(journal, {
      now: () => this.now,
      ...(journal.subscribe && { subscribe: (...a: Parameters<NonNullable<Journal['subscribe']>>) => journal.subscribe?.(...a) ?? false }),
    });
  }
}

/** An agent that says all that its users asked in the session. @param seen gets each prompt. */
export const echo = (name = 'echo', seen: string[] = []) =>
  agent({
    name,
    instructions: '',
    model: scripted(({ messages }) => {
      const texts = messages.filter(({ role }) => role === 'user').map(({ content: [part] }) => (part?.type === 'text' ? part.text : ''));
      seen.push(texts.at(-1) as string);
      return texts.join('+');
    }),
  });

/** An engine that is closed after the test, and its loop. */
export function working(options: EngineOptions, o: WorkOptions = {}): { engine: Engine; work: Work } {
  const engine = new Engine(options);
  const work = engine.work({ onError: () => undefined, ...o });
  onTestFinished(() => engine.close());
  return { engine, work };
}
