/** What is logged for the client of a call: never the messages of failures, which may expose internals. */
import type { RunEvent } from '../../../engine/read/run-event.ts';
import type { Json } from '../../../json.ts';

const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;
export type LogLevel = (typeof LEVELS)[number];

export interface LogLine {
  readonly level: LogLevel;
  readonly logger: string;
  readonly data: Json;
}

const isLevel = (value: unknown): value is LogLevel => LEVELS.includes(value as LogLevel);

/** Whether a line is told to a client that wants those of a level and above. */
export const isLogged = (level: LogLevel, wanted: LogLevel): boolean => LEVELS.indexOf(level) >= LEVELS.indexOf(wanted);

/** What a tool logs by `progress({ level, message })` or `progress({ level, data })`, and the code of each failed attempt. */
export function logOf(event: RunEvent): LogLine | undefined {
  if (event.type === 'attempt.failed') {
    const { attempt, code, retryIn } = event;
    return {
      level: 'warning',
      logger: event.path.join(' > '),
      data: { event: 'attempt failed', attempt, code, ...(retryIn !== undefined && { retryIn }) },
    };
  }
  if (event.type !== 'tool.progress') return undefined;
  const {
    level,
    message,
    data = message,
    logger,
  } = (typeof event.data === 'object' && event.data !== null ? event.data : {}) as {
    readonly [k: string]: Json | undefined;
  };
  if (!isLevel(level) || data === undefined) return undefined;
  return { level, logger: typeof logger === 'string' ? logger : event.path.join(' > '), data };
}
