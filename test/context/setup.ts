import { expect } from 'vitest';
import { type EntryOf, type Journal, type Message, type ModelRequest, tool } from '../../src/index.ts';
import { checkPrefixes } from '../../src/testing/index.ts';
import { entriesOf } from '../kit/journals.ts';
import { anything } from '../kit/runs.ts';

/** A tool whose results are texts of this many characters, which begin with the number of the call. */
export function lookup(chars = 300) {
  let calls = 0;
  return tool({
    name: 'lookup',
    description: 'Looks something up',
    input: anything,
    effect: 'read',
    execute: () => `result ${calls++} `.padEnd(chars, 'x'),
  });
}

export const textOf = ({ content }: Message) => content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');

/** All that a request says, for a search. */
export const saidIn = (request: ModelRequest | undefined) => JSON.stringify(request?.messages ?? []);

/** Every call has its result in the next message, every result its call before, and a user speaks first. */
export function assertSendable(messages: readonly Message[]): void {
  expect(messages[0]?.role).toBe('user');
  let open: string[] = [];
  for (const { role, content } of messages) {
    const results = content.flatMap((part) => (part.type === 'toolResult' ? [part.id] : []));
    expect(results).toEqual(open);
    expect(role === 'tool').toBe(results.length > 0);
    expect(content.length).toBeGreaterThan(0);
    open = content.flatMap((part) => (part.type === 'toolCall' ? [part.id] : []));
  }
  expect(open).toEqual([]);
}

export const compactions = async (journal: Journal, runId: string) =>
  (await entriesOf(journal, runId)).filter((e): e is EntryOf<'context.compacted'> => e.type === 'context.compacted');

/** Which requests do not have the one before as their prefix. */
export const broken = (requests: readonly ModelRequest[]): number[] =>
  requests.flatMap((request, i) => {
    const before = requests[i - 1];
    try {
      if (before) checkPrefixes([before, request]);
      return [];
    } catch (error) {
      expect(error).toMatchObject({ code: 'PREFIX_MOVED' });
      return [i];
    }
  });
