/** Converts a graph's interrupts to asks, and decisions to what `interrupt()` returns. */
import { type Json, NotJson, plainJson } from '../../json.ts';
import type { Ask } from '../../ports/foreign.ts';
import type { Decision, DecisionType } from '../../ports/tool.ts';
import type { JsonSchema } from '../../schema.ts';
import { actionsOf, type Form, isRecord } from './review.ts';

/** As LangGraph reports it. */
export interface Raised {
  id: string;
  value: unknown;
  response_schema?: unknown;
}

/** The asks of one interrupt, and the form of the answer if the interrupt has one of LangChain's forms. */
export interface Asked {
  asks: readonly Ask[];
  form?: Form;
}

const MOST_TEXT = 10_000;
const OPEN: readonly DecisionType[] = ['respond', 'approve', 'reject'];

export function asksOf({ id, value, response_schema }: Raised): Asked {
  const review = actionsOf(value);
  if (review) {
    const { actions, form } = review;
    const asks = actions.map(({ tool, input, description, allow }, i): Ask => {
      const reason = reasonOf({ description });
      return { id: `${id}.${i}`, ...reason, kind: 'tool', tool, input: json(input), ...(allow.length > 0 && { allow }) };
    });
    return { asks, form };
  }
  const reason = { ...reasonOf(value), ...boundsOf(value) };
  if (isRecord(value) && typeof value.tool === 'string')
    return { asks: [{ id, ...reason, kind: 'tool', tool: value.tool, input: json(value.input) }] };
  // the person must see the whole value of an interrupt without its own question
  const [question, schema] =
    isRecord(value) && typeof value.question === 'string' ? [value.question, value.answer ?? response_schema] : [value, response_schema];
  const text = typeof question === 'string' ? question : JSON.stringify(json(question));
  // an answer with a schema cannot be replaced by a plain approval
  const answer = isRecord(schema) ? { answer: json(schema) as JsonSchema } : { allow: OPEN };
  return { asks: [{ id, ...reason, kind: 'question', question: cut(text), ...answer }] };
}

function reasonOf(value: unknown): { reason?: string } {
  if (!isRecord(value)) return {};
  const said = value.reason ?? value.description;
  return typeof said === 'string' ? { reason: cut(said) } : {};
}

/** Who may decide, and until when. The engine refuses invalid values, so they are not dropped here. */
function boundsOf(value: unknown): Pick<Ask, 'roles' | 'expires'> {
  if (!isRecord(value)) return {};
  const { roles, expires } = value;
  return {
    ...(roles !== undefined && { roles: (typeof roles === 'string' ? [roles] : roles) as readonly string[] }),
    ...(expires !== undefined && { expires: expires as number }),
  };
}

/**
 * The return value of `interrupt()`: an answer unchanged, `true` for an approval, `false` for a rejection, the input for an edit. So a
 * graph with `if (interrupt(...))` does nothing that a person refused.
 */
export function answerOf(decision: Decision): Json {
  switch (decision.type) {
    case 'respond':
      return decision.answer;
    case 'edit':
      return decision.input;
    case 'approve':
      return true;
    case 'reject':
      return false;
  }
}

/** A copy as JSON. Values that JSON cannot hold become text, because the person must be asked in any case. */
function json(value: unknown): Json {
  try {
    return plainJson(value) ?? null;
  } catch (error) {
    return `[this value cannot be shown: ${error instanceof NotJson ? error.message : String(error)}]`;
  }
}

const cut = (text: string) => (text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT).replace(/[\ud800-\udbff]$/, '')}…` : text);
