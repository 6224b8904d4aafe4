/** What a record of a call is: a tool call, a sub-agent, a node, a durable step or a foreign turn. */
import type { CallId } from '../../journal/entries/entries.ts';
import type { Call, Frame } from '../../journal/fold/fold.ts';
import type { Part } from '../../ports/model.ts';
import type { TraceRecord } from './trace-record.ts';

export type Fields = { type: TraceRecord['type'] } & { [field: string]: unknown };

export function kindOf(frame: Frame, call: Call | undefined, id: CallId): Fields {
  const name = call?.name ?? '';
  if (call?.frame) return { type: 'DELEGATION', toolName: name, agent: call.frame.agent };
  if (frame.kind === 'foreign') return { type: 'FOREIGN_TURN', agent: frame.agent };
  if (frame.kind !== 'graph') return { type: 'TOOL_INVOCATION', toolName: name };
  const end = id.indexOf('/');
  if (end < 0) return { type: 'NODE', node: name };
  return { type: 'DURABLE_STEP', node: frame.tasks?.get(id.slice(0, end))?.name ?? '', name: id.slice(end + 1) };
}

/** What a model said, or thought, in an answer. */
export const textIn = (content: readonly Part[], type: 'text' | 'reasoning') =>
  content.map((part) => (part.type === type ? part.text : '')).join('');
