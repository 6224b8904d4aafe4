import type { AgentInputItem, Usage as SdkUsage } from '@openai/agents-core';
import { ToolError } from '../../errors.ts';
import { totalOf } from '../../journal/fold/spent.ts';
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

/** The usage of a run so far. */
interface Used extends Required<Pick<Usage, 'input' | 'output' | 'cacheRead' | 'reasoning'>> {
  requests: number;
  /** Requests whose usage the model did not tell: the SDK counts zeros for them. */
  untold: number;
}

/** The SDK counts cached tokens as input, and a continued run keeps counting. */
export function usedBy(usage: SdkUsage): Used {
  const sum = (details: readonly { [key: string]: number }[], key: string) => details.reduce((n, d) => n + (d[key] ?? 0), 0);
  const cacheRead = sum(usage.inputTokensDetails, 'cached_tokens');
  const { requests, requestUsageEntries = [] } = usage;
  return {
    input: Math.max(0, usage.inputTokens - cacheRead),
    output: usage.outputTokens,
    cacheRead,
    reasoning: sum(usage.outputTokensDetails, 'reasoning_tokens'),
    requests,
    untold: Math.max(0, requests - requestUsageEntries.length),
  };
}

export function since(before: Used, now: Used): { usage: Usage; unmetered?: true } {
  const cacheRead = now.cacheRead - before.cacheRead;
  const reasoning = now.reasoning - before.reasoning;
  const usage: Usage = {
    input: now.input - before.input,
    output: now.output - before.output,
    ...(cacheRead > 0 && { cacheRead }),
    ...(reasoning > 0 && { reasoning }),
  };
  // a model that counts not even its requests
  const nothing = now.requests === 0 && totalOf(usage) === 0;
  return { usage, ...((now.untold > before.untold || nothing) && { unmetered: true }) };
}
