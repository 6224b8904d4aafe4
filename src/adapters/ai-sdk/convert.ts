import type { LanguageModelUsage, ModelMessage, UserContent } from 'ai';
import { ToolError } from '../../errors.ts';
import type { Prompt, Usage } from '../../ports/model.ts';

/** @throws ToolError `VALIDATION` for a part that a user message cannot hold. */
export function userMessage(prompt: Prompt): ModelMessage {
  if (typeof prompt === 'string') return { role: 'user', content: prompt };
  const content = prompt.flatMap((part): Exclude<UserContent, string> => {
    if (part.type === 'text') return [{ type: 'text', text: part.text }];
    if (part.type === 'reasoning') return [];
    if (part.type === 'image' || part.type === 'document') {
      const { mediaType, data, name } = part;
      return [{ type: 'file', mediaType, data, ...(name !== undefined && { filename: name }) }];
    }
    throw new ToolError('VALIDATION', `a user message holds no ${part.type}.`, { outcome: 'not-run' });
  });
  return { role: 'user', content };
}

/** Whether a model told what each step used. Many servers of the API of OpenAI tell nothing of a stream unless they are asked to. */
export const isMetered = (steps: readonly { readonly usage: LanguageModelUsage }[]): boolean =>
  steps.every(({ usage }) => usage.inputTokens !== undefined && usage.outputTokens !== undefined);

/** The SDK counts cached tokens as input; Rondo counts them separately. What is not told counts as nothing here: see `isMetered`. */
export function usageOf(steps: readonly { readonly usage: LanguageModelUsage }[]): Usage {
  const sum = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0 };
  for (const { usage } of steps) {
    const { noCacheTokens, cacheReadTokens: read = 0, cacheWriteTokens: write = 0 } = usage.inputTokenDetails;
    sum.input += noCacheTokens ?? Math.max(0, (usage.inputTokens ?? 0) - read - write);
    sum.output += usage.outputTokens ?? 0;
    sum.cacheRead += read;
    sum.cacheWrite += write;
    sum.reasoning += usage.outputTokenDetails.reasoningTokens ?? 0;
  }
  const { input, output, cacheRead, cacheWrite, reasoning } = sum;
  return { input, output, ...(cacheRead > 0 && { cacheRead }), ...(cacheWrite > 0 && { cacheWrite }), ...(reasoning > 0 && { reasoning }) };
}
