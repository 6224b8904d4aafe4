/** What the policy leaves of an agent's answer, and of what its tools gave. */
import { allowedContent } from '../hitl/policy.ts';
import type { Json } from '../json.ts';
import type { Part } from '../ports/model.ts';
import type { ContentRequest } from '../ports/policy.ts';
import type { Scope } from './types.ts';

type Content = { ok: true; value: Json } | { ok: false; reason: string };

export const hasContentPolicy = ({ host }: Scope) => host.policy?.content !== undefined;

/** @returns the value, another one in its place, or why it is withheld. */
export async function contentAllowed(scope: Scope, point: ContentRequest['point'], value: Json, tool?: string): Promise<Content> {
  const { policy } = scope.host;
  if (!policy) return { ok: true, value };
  const { runId, started } = scope.run;
  const about = { by: started.by, agent: scope.agent.name, runId, session: started.session };
  return allowedContent(policy, { point, ...about, ...(tool !== undefined && { tool }), value }, scope.cancel);
}

interface Result {
  output?: Json | undefined;
  content?: readonly Part[] | undefined;
}

/** The output of a call that has succeeded, as the policy leaves it: the effect stands, only what is told of it changes. */
export async function resultAllowed<R extends Result>(scope: Scope, tool: string, result: R): Promise<R> {
  const told = await contentAllowed(scope, 'result', result.output ?? null, tool);
  const shown = told.ok && result.content ? await contentAllowed(scope, 'result', result.content as unknown as Json, tool) : told;
  if (!told.ok || !shown.ok) {
    const { content: _, ...rest } = result;
    const reason = !told.ok ? told.reason : shown.ok ? '' : shown.reason;
    return { ...rest, output: `(${tool} succeeded; what it gave is withheld: ${reason})` } as R;
  }
  if (told.value === result.output && (!result.content || shown.value === (result.content as unknown as Json))) return result;
  const { content: _, ...rest } = result;
  if (!result.content || shown.value === told.value) return { ...rest, output: told.value } as R;
  return { ...rest, output: told.value, content: asParts(shown.value) } as R;
}

const asParts = (value: Json): readonly Part[] =>
  Array.isArray(value) ? (value as unknown as Part[]) : [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }];
