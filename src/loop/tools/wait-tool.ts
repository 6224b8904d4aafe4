import { invalid } from '../../errors.ts';
import type { Json } from '../../json.ts';
import { jsonSchema } from '../../json-schema.ts';
import { checkOptions } from '../../options.ts';
import type { Tool } from '../../ports/tool.ts';
import { LONGEST, type WaitFor } from '../call/wait.ts';
import { waitingTool } from './tool.ts';

interface Asked {
  seconds?: number;
  minutes?: number;
  until?: string;
}

const input = jsonSchema<Asked>({
  type: 'object',
  properties: {
    seconds: { type: 'number', minimum: 0, description: 'How many seconds to wait.' },
    minutes: { type: 'number', minimum: 0, description: 'How many minutes to wait.' },
    until: { type: 'string', description: 'Until when to wait, with the offset from UTC: 2026-03-01T09:00:00+01:00' },
  },
  minProperties: 1,
  maxProperties: 1,
  additionalProperties: false,
});

export interface WaitToolOptions {
  /** Default `wait`. */
  name?: string;
  /** What the model is told of the tool. Default: a text with the longest wait. */
  description?: string;
  /** Milliseconds of the longest wait. Default 30 days, at most ten years. */
  longest?: number;
}

const OPTIONS = {
  name: "name: 'wait'",
  description: "description: 'Wait before you look again.'",
  longest: 'longest: 86_400_000',
} satisfies Record<keyof WaitToolOptions, string>;

const MONTH = 30 * 86_400_000;

/**
 * A tool by which the agent waits for seconds, minutes, or until a time. The run pauses, and no process is needed until then. The output
 * says when it woke: `{ wokeAt }`, ISO 8601 by the store's clock.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function waitTool(o: WaitToolOptions = {}): Tool {
  checkOptions(o, OPTIONS, 'waitTool()');
  const { name = 'wait', longest = MONTH } = o;
  const { description = `Wait, for at most ${told(longest)}. Nothing runs meanwhile; the result says what time it is then.` } = o;
  if (!(typeof longest === 'number' && longest > 0 && longest <= LONGEST))
    throw invalid(`waitTool(): longest is a number of milliseconds above 0, and at most ${LONGEST}.`);
  const waits = (asked: Json): WaitFor => {
    const { seconds, minutes, until } = asked as Asked;
    return until === undefined ? { for: seconds === undefined ? (minutes as number) * 60_000 : seconds * 1_000 } : { until };
  };
  return waitingTool({ name, description, input }, { of: waits, longest });
}

const told = (ms: number) => (ms < 86_400_000 ? `${Math.floor(ms / 1_000)} seconds` : `${Math.floor(ms / 86_400_000)} days`);
