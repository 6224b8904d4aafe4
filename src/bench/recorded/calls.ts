/** The calls of a recorded run, which answer those of a new one. */
import type { GradedCall } from '../../engine/evaluate/check.ts';
import { canonical } from '../../journal/canonical.ts';
import type { Json } from '../../json.ts';
import type { ToolOutcome } from '../../loop/middleware.ts';

/** Names a call by its tool and canonical arguments. */
export const callKey = (tool: string, input: Json) => `${tool} ${canonical(input)}`;

const NOT_RECORDED: ToolOutcome = {
  ok: false,
  error: {
    code: 'NOT_EXECUTED',
    message: 'This is a run from a recording, and the recorded run did not make this call. It was not executed.',
    retryable: false,
    attempts: 0,
    outcome: 'not-run',
  },
};

/** Answers calls by their tool and arguments: the first with the first recorded result, and the last result for all that come after. */
export class RecordedCalls {
  readonly #outcomes = new Map<string, ToolOutcome[]>();
  readonly #asked = new Map<string, number>();
  /** Calls that the recorded run did not make. */
  missing = 0;

  constructor(calls: readonly GradedCall[]) {
    for (const call of calls) {
      const key = callKey(call.tool, call.input);
      this.#outcomes.set(key, [...(this.#outcomes.get(key) ?? []), outcomeOf(call)]);
    }
  }

  answer(tool: string, input: Json): ToolOutcome {
    const key = callKey(tool, input);
    const outcomes = this.#outcomes.get(key);
    if (!outcomes) {
      this.missing++;
      return NOT_RECORDED;
    }
    const nth = this.#asked.get(key) ?? 0;
    this.#asked.set(key, nth + 1);
    return outcomes[Math.min(nth, outcomes.length - 1)] as ToolOutcome;
  }
}

function outcomeOf({ ok, output = null, error = 'TOOL_FAILED', message = '' }: GradedCall): ToolOutcome {
  if (ok) return { ok, output };
  return { ok: false, error: { code: error, message, retryable: false, attempts: 1, outcome: 'failed' } };
}
