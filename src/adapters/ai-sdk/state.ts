import type { ModelMessage, ToolModelMessage } from 'ai';
import { ToolError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { Ask } from '../../ports/foreign.ts';
import type { Decision } from '../../ports/tool.ts';

/** A waiting call: for an approval, or for its output if the SDK cannot execute the tool. */
export type Waiting = {
  readonly id: string;
  readonly call: string;
  readonly tool: string;
  readonly input: Json;
  readonly reason?: string;
} & {
  readonly kind: 'approval' | 'output';
};

/** A paused AI SDK agent: its messages, as they will be sent again, and the calls that it waits for. */
export type AiSdkState = { readonly messages: Json; readonly waiting: readonly Omit<Waiting, 'input'>[] };

/** Characters of JSON. A state is one journal entry, written at every pause. */
const MAX_STATE = 4_000_000;

export function save(messages: readonly ModelMessage[], waiting: readonly Waiting[]): AiSdkState {
  const text = JSON.stringify({ messages, waiting: waiting.map(({ input: _, ...rest }) => rest) }, binary);
  if (text.length > MAX_STATE)
    throw new ToolError(
      'STATE_TOO_LARGE',
      `the messages of the paused agent are ${text.length} characters of JSON, over ${MAX_STATE}: give it less, or fewer pictures.`,
    );
  return JSON.parse(text) as AiSdkState;
}

/** The bytes of a message part, as base64, which the SDK accepts too. */
function binary(this: unknown, key: string, value: unknown): unknown {
  const raw = (this as { [k: string]: unknown })[key];
  return raw instanceof Uint8Array ? Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('base64') : value;
}

export const askOf = ({ kind, id, tool, input, reason }: Waiting): Ask => ({
  id,
  kind: 'tool',
  tool,
  input,
  // the SDK refuses an approved call whose arguments differ from those it asked about, so edits are not offered
  allow: kind === 'approval' ? ['approve', 'reject'] : ['respond', 'reject'],
  reason,
});

/** The messages to continue with: the SDK runs the decided calls before it calls the model. */
export function decided({ messages, waiting }: AiSdkState, answers: readonly { id: string; decision: Decision }[]): ModelMessage[] {
  const content = answers.map(({ id, decision }): ToolModelMessage['content'][number] => {
    const about = waiting.find((w) => w.id === id);
    if (!about) throw new ToolError('STATE_UNREADABLE', `the paused agent did not ask "${id}".`, { outcome: 'not-run' });
    const reason = decision.type === 'reject' ? decision.reason : undefined;
    if (about.kind === 'approval')
      return {
        type: 'tool-approval-response',
        approvalId: id,
        approved: decision.type === 'approve',
        reason,
      };
    const output =
      decision.type === 'respond'
        ? typeof decision.answer === 'string'
          ? { type: 'text' as const, value: decision.answer }
          : { type: 'json' as const, value: decision.answer as never }
        : { type: 'execution-denied' as const, reason };
    return { type: 'tool-result', toolCallId: about.call, toolName: about.tool, output };
  });
  return [...(structuredClone(messages) as ModelMessage[]), { role: 'tool', content }];
}
