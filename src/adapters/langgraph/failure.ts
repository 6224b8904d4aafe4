import { invalid, RondoError, ToolError } from '../../errors.ts';
import { classify } from '../../reliability/classify.ts';

const CODES: Readonly<Record<string, string>> = {
  GRAPH_RECURSION_LIMIT: 'RECURSION_LIMIT',
  INVALID_CONCURRENT_GRAPH_UPDATE: 'INVALID_GRAPH_UPDATE',
  INVALID_GRAPH_NODE_RETURN_VALUE: 'INVALID_GRAPH_UPDATE',
};

/** Classifies a failed graph. Never `not-run`: nodes before the failed one have run, whatever the error says of itself. */
export function failure(error: unknown, name: string): Error {
  if (RondoError.is(error)) return error;
  const code = lcCode(error);
  if (code === 'MISSING_CHECKPOINTER') return noCheckpointer(name, error);
  if (code && CODES[code]) {
    const [message = ''] = (error as Error).message.split('\n\nTroubleshooting');
    const advice = code === 'GRAPH_RECURSION_LIMIT' ? ' Raise recursionLimit of langgraphAgent(), or bound the cycle in the graph.' : '';
    return new ToolError(CODES[code], `Graph "${name}": ${message.trim()}${advice}`, { cause: error });
  }
  const told = classify(error);
  const { retryable, retryAfter } = told;
  return new ToolError(told.code === 'TOOL_FAILED' ? 'LANGGRAPH_FAILED' : told.code, `Graph "${name}": ${told.message}`, {
    outcome: 'unknown',
    retryable,
    retryAfter,
    cause: error,
  });
}

const lcCode = (error: unknown): string | undefined => {
  const code = (error as { lc_error_code?: unknown } | null | undefined)?.lc_error_code;
  return typeof code === 'string' ? code : undefined;
};

export const noCheckpointer = (name: string, cause?: unknown) =>
  invalid(
    `The graph "${name}" interrupts, and has no checkpointer to wait in. Compile it with one, or pass langgraphAgent({ checkpointer: journalSaver(sqliteJournal("threads.db")) }).`,
    { cause },
  );

export const threadLost = (name: string, thread: string) =>
  new ToolError(
    'THREAD_LOST',
    `The checkpointer of graph "${name}" knows nothing of thread ${thread}, which waited for an answer. One that lives in memory does not survive its process: use a durable one, such as journalSaver(sqliteJournal("threads.db")).`,
  );
