/** Agents as the tools of an MCP server: what is offered, and what a call answers. */
import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js';
import type { RunResult } from '../../../engine/read/results.ts';
import type { RunEvent } from '../../../engine/read/run-event.ts';
import { RondoError } from '../../../errors.ts';
import { copyJson, type Json, type JsonObject } from '../../../json.ts';
import { agentDefinition } from '../../../loop/definition.ts';
import type { Agent } from '../../../loop/types.ts';
import { isName } from '../../../ports/principal.ts';
import type { Problem } from '../../../server/errors.ts';
import { pausedText, text } from './decide.ts';

/** An agent without an input schema takes a prompt. */
export function toolOf(agent: Agent): Tool {
  const { name, description = `The agent ${name}.` } = agent;
  const { input } = agentDefinition(agent);
  return { name, description, inputSchema: (input ? wrapped(input.json) : PROMPT) as Tool['inputSchema'] };
}

const PROMPT = {
  type: 'object',
  properties: {
    prompt: text('What the agent is asked.'),
    session: text('The session of an earlier answer, to continue its conversation.'),
  },
  required: ['prompt'],
  additionalProperties: false,
};

/** The arguments of a tool are an object. */
const wrapped = (schema: object): object =>
  isObject(schema) ? schema : { type: 'object', properties: { input: schema }, required: ['input'], additionalProperties: false };
const isObject = (schema: object): boolean => 'type' in schema && schema.type === 'object';

/** What an agent is asked, and in which session. @throws RondoError `INPUT_REFUSED` without a prompt, and for a session that is not a text. */
export function askedOf(
  agent: Agent,
  { prompt, session, ...others }: { readonly [k: string]: unknown },
): { input: unknown; session?: string } {
  const { input } = agentDefinition(agent);
  if (!input) {
    if (prompt === undefined)
      throw new RondoError('INPUT_REFUSED', 'The turn was not taken: "prompt" is missing, what the agent is asked.');
    if (session === undefined) return { input: prompt };
    if (isName(session)) return { input: prompt, session };
    throw new RondoError('INPUT_REFUSED', 'The turn was not taken: session is a text of 1 to 500 characters.');
  }
  const given = { ...(prompt !== undefined && { prompt }), ...(session !== undefined && { session }), ...others };
  return { input: isObject(input.json) ? given : others.input };
}

/** The answer of a tool call. The caller is told the code of a failure, never the message, which may expose internals. */
export function resultOf(result: RunResult, session: string, mayDecide: boolean): CallToolResult {
  switch (result.status) {
    case 'completed': {
      const { output } = result;
      return answer(typeof output === 'string' ? output : JSON.stringify(output), { status: 'completed', session, output: output as Json });
    }
    case 'paused': {
      const { approvals, waiting } = result;
      const asked: JsonObject = { status: 'paused', session, approvals, waiting };
      return answer(pausedText(approvals, `session ${JSON.stringify(session)}`, mayDecide), copyJson(asked));
    }
    case 'stopped':
      return refusedResult({
        code: `LIMIT_${result.limit.name.toUpperCase()}`,
        message: `The agent stopped at its limit of ${result.limit.name}.`,
      });
    case 'cancelled':
      return refusedResult({ code: 'CANCELLED', message: 'The agent was cancelled.' });
    case 'failed':
      return refusedResult({ code: result.error.code, message: `The agent failed: ${result.error.code}.` }, result.error.retryable);
  }
}

const answer = (words: string, structuredContent: JsonObject): CallToolResult => ({
  content: [{ type: 'text', text: words }],
  structuredContent,
});

export const refusedResult = ({ code, message }: Problem, retryable = false): CallToolResult => ({
  content: [{ type: 'text', text: message }],
  isError: true,
  _meta: { 'rondo/error': { code, retryable } },
});

/** What a client is told of a run's progress; undefined for events that are not told. */
export function progressOf(event: RunEvent): { message: string } | undefined {
  const who = event.path.join(' > ');
  if (event.type === 'tool.started') return { message: `${who} calls ${event.tool}` };
  if (event.type === 'agent.started') return { message: `${who} starts` };
  if (event.type === 'model.finished') return { message: `${who}: step ${event.step}` };
  return event.type === 'node.finished' ? { message: `${who}: ${event.node}` } : undefined;
}
