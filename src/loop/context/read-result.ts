/** The tool by which a model reads a result back that was cleared. It is offered from the first request on, so the list of tools stays. */
import { invalid, ToolError } from '../../errors.ts';
import { READ_RESULT } from '../../journal/fold/compacted.ts';
import type { Frame } from '../../journal/fold/fold.ts';
import type { Part, ToolResultPart } from '../../ports/model.ts';
import { definition, tool } from '../tools/tool.ts';
import type { Plan, Scope, ToolDefinition, Tools } from '../types.ts';

/** Characters of one answer. */
const PAGE = 20_000;

/** Its definition. `execute` is never called: the engine runs it with the frame, by `reads`. */
export const readResult: ToolDefinition = {
  ...definition(
    tool({
      name: READ_RESULT,
      description:
        'Reads a result of an earlier call that is left out of the conversation, by the ref that stands in its place. A long one comes in pages: read on with from.',
      input: {
        type: 'object',
        properties: {
          ref: { type: 'string', description: 'The ref that stands in the place of the result' },
          from: { type: 'integer', minimum: 0, description: 'The first character to read. Default 0' },
        },
        required: ['ref'],
        additionalProperties: false,
      },
      effect: 'read',
      retry: { attempts: 1 },
      breaker: false,
      // a page, in characters of up to 3 bytes, with what is said of it
      maxBytes: 3 * PAGE + 1_000,
      execute: () => undefined,
    }),
  ),
  reads: true,
};

/** Whether a policy of the agent clears results. */
export const clears = ({ compact }: Pick<Plan, 'compact'>): boolean => compact.some((policy) => policy.clears);

/** The tools with the one that reads results back, where a policy clears them. @throws RondoError `CONFIG_INVALID` if its name is taken. */
export function withReading(plan: Plan, tools: Tools, agent: string): Tools {
  if (!clears(plan) || tools.get(READ_RESULT)?.reads) return tools;
  if (tools.has(READ_RESULT))
    throw invalid(
      `agent "${agent}" has a tool named "${READ_RESULT}", which is the engine's name for what reads cleared results back. Rename the tool, or leave out the policy that clears.`,
    );
  return new Map([...tools, [READ_RESULT, readResult]]);
}

/** Runs the tool. Images and documents are in `parts`. @throws ToolError `RESULT_NOT_FOUND`. */
export async function readBack(
  scope: Scope,
  { ref, from = 0 }: { ref: string; from?: number },
): Promise<{ text: string; parts?: readonly Part[] }> {
  const part = (await found(scope, ref)) ?? (await ofCaller(scope, ref));
  if (!part)
    throw new ToolError(
      'RESULT_NOT_FOUND',
      `There is no result "${ref}" to read. Use a ref that stands in the place of a result, or call the tool again.`,
      {
        outcome: 'failed',
        retryable: false,
      },
    );
  const whole = part.output.flatMap((p) => (p.type === 'text' ? [p.text] : [])).join('\n');
  const to = Math.min(whole.length, from + PAGE);
  const page = whole.slice(from, to);
  const rest = to < whole.length ? `\n[characters ${from} to ${to} of ${whole.length}. Read on with "from": ${to}]` : '';
  const media = from === 0 ? part.output.filter(({ type }) => type === 'image' || type === 'document') : [];
  const text = `${page}${rest}`;
  return media.length > 0 ? { text, parts: [...(text ? [{ type: 'text', text } as const] : []), ...media] } : { text };
}

/** In this frame, or in an earlier run of the session. */
const found = async ({ frame, run, host }: Scope, ref: string): Promise<ToolResultPart | undefined> =>
  cleared(frame, ref) ?? inherited(frame, run.runId, host, ref);

/** A result that an agent above cleared, of which this conversation was told the ref. */
async function ofCaller({ parent, frame }: Scope, ref: string): Promise<ToolResultPart | undefined> {
  if (!parent || !isTold(frame, ref)) return undefined;
  return (await found(parent, ref)) ?? ofCaller(parent, ref);
}

/** Whether the messages that were shared with this conversation name the ref: no other result of the caller may be read. */
const isTold = ({ messages, inherited }: Frame, ref: string): boolean =>
  messages
    .slice(0, inherited)
    .some(({ content }) => content.some((part) => part.type === 'text' && part.text.includes(`${READ_RESULT}({ "ref": "${ref}" })`)));

/** A result that was cleared in this frame. */
export function cleared({ seen, messages }: Pick<Frame, 'seen' | 'messages'>, ref: string): ToolResultPart | undefined {
  const [message = -1, index = -1] = seen?.cleared.get(ref) ?? [];
  const part = messages[message]?.content[index];
  return part?.type === 'toolResult' ? part : undefined;
}

/** A result that an earlier run of the session cleared. Only what this conversation has taken over from it can be read. */
async function inherited({ messages }: Frame, own: string, host: Scope['host'], ref: string): Promise<ToolResultPart | undefined> {
  for (const { content } of messages)
    for (const part of content)
      if (part.type === 'toolResult' && part.cleared?.ref === ref && part.cleared.run !== own)
        return host.clearedResult(part.cleared.run, ref);
  return undefined;
}
