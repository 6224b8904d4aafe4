/** Removes personal content from entries of a fork, after the run they were copied from is forgotten. */
import type { Json } from '../../json.ts';
import type { Part, ToolCallPart } from '../../ports/model.ts';
import { meant } from '../fold/through.ts';
import type { Entry, EntryOf, Reached } from './entries.ts';

/** Sequence number of the last entry whose content was removed; -1: none. */
export const forgottenUpTo = ({ forgotten, fork, input }: EntryOf<'run.started'>): number =>
  // before the number was written, the text was the only mark
  forgotten ?? (fork && input === FORGOTTEN ? fork.at : -1);

/** The text that replaces every removed text. */
const FORGOTTEN = '[forgotten]';

/**
 * The entry without texts, arguments, outputs and state. Its structure stays, so the run folds into the same calls, frames and nodes.
 * Only for runs that are over: an open call would run again without its arguments.
 */
export function redacted(entry: Entry): Entry {
  switch (entry.type) {
    case 'run.started': {
      const { context: _, tags: _t, earlier: _e, ...rest } = entry;
      return { ...rest, input: FORGOTTEN };
    }
    case 'message.received': {
      if (entry.kind === 'repair') return { ...entry, text: FORGOTTEN };
      if (entry.kind === 'steering') {
        const { earlier: _, ...rest } = entry;
        return { ...rest, content: [{ type: 'text', text: FORGOTTEN }] };
      }
      const { reason: _, ...rest } = entry;
      return rest;
    }
    case 'context.changed':
      return {
        ...entry,
        ...(entry.instructions !== undefined && { instructions: FORGOTTEN }),
        ...(entry.memory && { memory: [] }),
        ...(entry.reshaped && { reshaped: {} }),
      };
    case 'context.compacted':
      return entry.summary === undefined ? entry : { ...entry, summary: FORGOTTEN };
    case 'model.responded':
      return { ...entry, content: entry.content.map(redactedPart) };
    case 'attempt.failed':
      return { ...entry, message: FORGOTTEN };
    case 'frame.opened':
      return { ...entry, input: FORGOTTEN, ...(entry.history && { history: [] }) };
    case 'frame.began':
      return { ...entry, state: {}, next: entry.next.map(nodeOf) };
    case 'state.changed':
      return { ...entry, state: {} };
    case 'call.started': {
      const { intent: _, input, ...rest } = entry;
      return { ...rest, ...(input !== undefined && { input: {} }) };
    }
    case 'intent.reopened':
      return { ...entry, intent: { name: entry.intent.name, key: FORGOTTEN, digest: '' }, reason: FORGOTTEN };
    case 'call.dismissed':
      return { ...entry, reason: FORGOTTEN };
    case 'call.finished': {
      const { output, content, error, unpriced, state, next, ...rest } = entry;
      return {
        ...rest,
        ...(output !== undefined && { output: FORGOTTEN }),
        ...(content && { content: [{ type: 'text', text: FORGOTTEN }] }),
        ...(error && { error: { ...error, message: FORGOTTEN } }),
        ...(unpriced && { unpriced: { ...unpriced, message: FORGOTTEN } }),
        ...(state && { state: { keys: {} } }),
        ...(next && { next: next.map(nodeOf) }),
      };
    }
    case 'approval.requested': {
      const { reason: _, question, url: _u, handle: _h, intent: _i, state: _s, input, ...rest } = entry;
      return { ...rest, ...(input !== undefined && { input: {} }), ...(question !== undefined && { question: FORGOTTEN }) };
    }
    case 'approval.decided':
      return { ...entry, decision: redactedDecision(entry.decision) };
    case 'outcome.settled': {
      const { note: _, output: _o, intent: _i, ...rest } = entry;
      return rest;
    }
    case 'run.settled': {
      const { reason: _, output, error, ...rest } = entry;
      return {
        ...rest,
        ...(output !== undefined && { output: FORGOTTEN }),
        ...(error && { error: { ...error, message: FORGOTTEN } }),
      };
    }
    case 'memory.recorded': {
      const { error, ...rest } = entry;
      return error ? { ...rest, error: { code: error.code } } : entry;
    }
    case 'event.rejected':
      return { ...entry, problem: FORGOTTEN };
    case 'wait.began':
      return entry.event ? { ...entry, event: { name: entry.event.name, key: FORGOTTEN } } : entry;
    case 'run.evaluated': {
      const { reason: _, ...rest } = entry;
      return rest;
    }
    case 'run.claimed':
    case 'memory.due':
    case 'entry.omitted':
      return entry;
  }
}

/** A node that is reached next, without the item that it is given. */
const nodeOf = ({ node }: Reached): Reached => ({ node });

/** A part of an answer: its calls stay, without their arguments, so that the results that follow have what they belong to. */
function redactedPart(part: Part): Part {
  // the name of a found tool is not content
  if (part.type === 'toolCall') return { type: 'toolCall', id: part.id, name: part.name, input: namedBy(part) };
  return { type: 'text', text: FORGOTTEN };
}

/** Of a call through `call_tool`: the tool that it names, by which the fold knows which tool ran. */
function namedBy(part: ToolCallPart): Json {
  const name = meant(part)?.name;
  return name === undefined ? {} : { name };
}

/** The decision without the text that the person wrote. */
function redactedDecision<D extends { type: string; approval: string }>(decision: D): D {
  const { type, approval } = decision;
  const plain = { type, approval, ...(type === 'edit' && { input: {} }), ...(type === 'respond' && { answer: FORGOTTEN }) };
  return (type === 'reject' ? { ...plain, reason: FORGOTTEN } : plain) as unknown as D;
}
