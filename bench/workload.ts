/** The job that every contender does: a model that answers at once, and one validated tool call per turn. */
import { z } from 'zod';
import type { Message, Model, ModelRequest, ModelResponse } from '../src/index.ts';

export type Size = 'small' | '1 KB';

export const INSTRUCTIONS = 'Look everything up, then say that you are done.';
export const QUESTION = 'Look everything up.';
export const input = z.object({ id: z.number().int().nonnegative(), note: z.string() });
export type Input = z.infer<typeof input>;

const USAGE = { input: 1_200, output: 60 };
/** Gives the run a known cost, so that adding it up is part of the measurement. */
export const PRICES = { 'bench/instant': { input: 3, output: 15, source: 'made up for the benchmark', date: '2026-11-21' } };

/**
 * Answers without delay: calls the tool `turns` times, then ends. It reads a run's progress from the messages, so one model serves any
 * number of runs, also resumed ones. It stores neither requests nor a count.
 */
export function instantModel(turns: number, before?: (done: number, request: ModelRequest) => Promise<void> | undefined): Model {
  return {
    provider: 'bench',
    id: 'instant',
    async generate(request, call): Promise<ModelResponse> {
      const done = turnsDone(request.messages);
      const wait = before?.(done, request);
      if (wait) await wait;
      if (done < turns) {
        const asked = { type: 'toolCall', id: `call-${done}`, name: 'lookup', input: { id: done, note: 'as asked' } } as const;
        return { content: [asked], stop: 'tools', usage: USAGE };
      }
      call.emit?.({ type: 'text', text: 'Done.' });
      return { content: [{ type: 'text', text: 'Done.' }], stop: 'end', usage: USAGE };
    },
  };
}

/** The question, then an answer and a result per turn. */
const turnsDone = (messages: readonly Message[]) => (messages.length - 1) >> 1;

const KILOBYTE = Buffer.alloc(1_000, 'Nothing of note was found here. ');

/** The tool's body, the same for all. A large result is a new string each time, as a service's answer is. */
export function lookupBody(size: Size): (input: Input) => Promise<{ id: number; text: string }> {
  if (size === 'small') return async ({ id }) => ({ id, text: 'found' });
  return async ({ id }) => ({ id, text: KILOBYTE.toString('latin1') });
}
