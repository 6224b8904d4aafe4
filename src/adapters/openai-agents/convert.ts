import type { AgentInputItem, Usage as SdkUsage } from '@openai/agents-core';
import { ToolError } from '../../errors.ts';
import type { Part, Prompt, Usage } from '../../ports/model.ts';

/** @throws ToolError `VALIDATION` for a part that a user message cannot hold. */
export function inputOf(prompt: Prompt): string | AgentInputItem[] {
  if (typeof prompt === 'string') return prompt;
  return [{ role: 'user', content: prompt.flatMap(contentOf) }];
}

type Content = Exclude<Extract<AgentInputItem, { role: 'user' }>['content'], string>;

function contentOf(part: Part): Content {
  switch (part.type) {
    case 'text':
      return [{ type: 'input_text', text: part.text }];
    case 'reasoning':
      return [];
    case 'image':
      return [{ type: 'input_image', image: `data:${part.mediaType};base64,${part.data}` }];
    case 'document':
      return [{ type: 'input_file', file: `data:${part.mediaType};base64,${part.data}`, filename: part.name ?? 'document' }];
    default:
      throw new ToolError('VALIDATION', `a user message holds no ${part.type}.`, { outcome: 'not-run' });
  }
}

/** The usage of a run so far. The SDK counts cached tokens as input, and a continued run keeps counting. */
export function usedBy(usage: SdkUsage): Required<Pick<Usage, 'input' | 'output' | 'cacheRead' | 'reasoning'>> {
  const sum = (details: readonly { [key: string]: number }[], key: string) => details.reduce((n, d) => n + (d[key] ?? 0), 0);
  const cacheRead = sum(usage.inputTokensDetails, 'cached_tokens');
  return {
    input: Math.max(0, usage.inputTokens - cacheRead),
    output: usage.outputTokens,
    cacheRead,
    reasoning: sum(usage.outputTokensDetails, 'reasoning_tokens'),
  };
}

export function since(before: ReturnType<typeof usedBy>, now: ReturnType<typeof usedBy>): Usage {
  const cacheRead = now.cacheRead - before.cacheRead;
  const reasoning = now.reasoning - before.reasoning;
  return {
    input: now.input - before.input,
    output: now.output - before.output,
    ...(cacheRead > 0 && { cacheRead }),
    ...(reasoning > 0 && { reasoning }),
  };
}
