/** The tool that answers approvals: for a client that cannot be asked itself. */
import type { Tool } from '@modelcontextprotocol/sdk/types.js';
import { RondoError } from '../../../errors.ts';
import type { Approval } from '../../../hitl/approvals.ts';
import type { Decision } from '../../../ports/tool.ts';
import { DECIDES } from '../names.ts';

export const DECIDE = 'decide';

export const text = (description: string) => ({ type: 'string', description });

/** @param where the argument that says what waits. @param agents the names to choose from, if there are several. */
export const decideTool = (where: 'session' | 'run', agents: readonly string[] = []): Tool => ({
  name: DECIDE,
  description: 'Answers the approvals that a paused call asked for, in the name of the authenticated caller, and returns how it went on.',
  inputSchema: {
    type: 'object',
    properties: {
      ...(agents.length > 1 && { agent: { type: 'string', enum: [...agents] } }),
      [where]: text(`The ${where} of the paused answer.`),
      decisions: {
        type: 'array',
        minItems: 1,
        maxItems: 100,
        items: {
          type: 'object',
          properties: {
            approval: text('The id of the approval.'),
            type: { type: 'string', enum: ['approve', 'edit', 'reject', 'respond'] },
            input: { description: 'With edit: the arguments that the tool gets instead.' },
            reason: text('With reject: why.'),
            answer: { description: 'With respond: the answer to a question.' },
          },
          required: ['approval', 'type'],
        },
      },
    },
    required: [...(agents.length > 1 ? ['agent'] : []), where, 'decisions'],
    additionalProperties: false,
  },
  annotations: { destructiveHint: true },
  _meta: { [DECIDES]: true },
});

/** @throws RondoError `DECISION_INVALID`. */
export function decisionsOf(
  args: { readonly [k: string]: unknown },
  where: 'session' | 'run',
): { at: string; decisions: readonly Decision[] } {
  const { [where]: at, decisions } = args;
  if (typeof at === 'string' && Array.isArray(decisions)) return { at, decisions: decisions as readonly Decision[] };
  throw new RondoError(
    'DECISION_INVALID',
    `${DECIDE} takes the ${where} of a paused answer, and a list of decisions. Nothing was decided.`,
  );
}

/** What waits for people, in words, and how they answer. @param at the session or the run, as the argument of `decide`. */
export function pausedText(approvals: readonly Approval[], at: string, mayDecide: boolean): string {
  if (approvals.length === 0) return 'The call waits for a time or an event, and goes on by itself.';
  const lines = approvals.map((a) => `${a.id}: ${asked(a)}`);
  const how = mayDecide
    ? `A person answers, not the model that called: with the tool ${DECIDE} of this server, with the ${at}.`
    : 'A person who may decide answers where the agent is operated.';
  return `The call waits for people. ${how}\n${lines.join('\n')}`;
}

/** What a person is asked, in one sentence. */
export function asked(a: Approval): string {
  const why = a.reason === undefined ? '' : ` (${a.reason})`;
  if (a.kind === 'question') return `${a.question}${why}`;
  if (a.kind === 'consent') return `consent to ${a.provider} at ${a.url}${why}`;
  return `may ${a.path.at(-1)} call ${a.tool} with ${JSON.stringify(a.input)}?${why}`;
}
