/** Applies the policy to an agent's answer and to the results of its tools. */
import { type Allowed, allowedContent } from '../hitl/policy.ts';
import { promptParts } from '../journal/conversation.ts';
import { type Json, plainJson } from '../json.ts';
import type { Part } from '../ports/model.ts';
import type { ContentRequest } from '../ports/policy.ts';
import type { Scope } from './types.ts';

export const hasContentPolicy = ({ host }: Scope) => host.policy?.content !== undefined;

export function contentAllowed(scope: Scope, point: ContentRequest['point'], value: Json, tool?: string): Promise<Allowed> {
  const { runId, started } = scope.run;
  const about = { by: started.by, agent: scope.agent.name, runId, session: started.session };
  return allowedContent(scope.host.policy, { point, ...about, ...(tool !== undefined && { tool }), value }, scope.cancel);
}

interface Result {
  output?: Json | undefined;
  content?: readonly Part[] | undefined;
}

/** The result of a successful call after the policy. The effect has happened; the policy can only replace or withhold its result. */
export async function resultAllowed<R extends Result>(scope: Scope, tool: string, result: R): Promise<R> {
  const output = await contentAllowed(scope, 'result', result.output ?? null, tool);
  const content: Allowed =
    output.ok && result.content ? await contentAllowed(scope, 'result', plainJson(result.content) ?? null, tool) : { ok: true };
  const refused = [output, content].find((allowed) => !allowed.ok);
  if (refused?.ok === false) {
    const told: R = { ...result, output: `(${tool} succeeded; what it gave is withheld: ${refused.reason})` };
    delete told.content;
    return told;
  }
  return {
    ...result,
    ...(output.ok && output.replaced !== undefined && { output: output.replaced }),
    ...(content.ok && content.replaced !== undefined && { content: promptParts(content.replaced) }),
  };
}
