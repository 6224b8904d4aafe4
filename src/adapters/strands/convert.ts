import {
  type AgentMetrics,
  type AgentResult,
  type ContentBlock,
  DocumentBlock,
  type DocumentFormat,
  ImageBlock,
  type ImageFormat,
  TextBlock,
} from '@strands-agents/sdk';
import { ToolError } from '../../errors.ts';
import type { Prompt, Usage } from '../../ports/model.ts';

const IMAGES = new Set<string>(['png', 'jpeg', 'gif', 'webp'] satisfies ImageFormat[]);
const DOCUMENTS: { readonly [mediaType: string]: DocumentFormat } = {
  'application/pdf': 'pdf',
  'text/csv': 'csv',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'text/html': 'html',
  'text/plain': 'txt',
  'text/markdown': 'md',
  'application/json': 'json',
};

/** @throws ToolError `VALIDATION` for a part that a Strands agent does not accept. */
export function inputOf(prompt: Prompt): string | ContentBlock[] {
  if (typeof prompt === 'string') return prompt;
  return prompt.flatMap((part): ContentBlock[] => {
    if (part.type === 'text') return [new TextBlock(part.text)];
    if (part.type === 'reasoning') return [];
    if (part.type === 'image') {
      const format = part.mediaType.replace('image/', '');
      if (IMAGES.has(format))
        return [new ImageBlock({ format: format as ImageFormat, source: { bytes: Buffer.from(part.data, 'base64') } })];
    }
    if (part.type === 'document') {
      const format = DOCUMENTS[part.mediaType];
      if (format)
        return [new DocumentBlock({ name: part.name ?? 'document', format, source: { bytes: Buffer.from(part.data, 'base64') } })];
    }
    const what = 'mediaType' in part ? `${part.type} (${part.mediaType})` : part.type;
    throw new ToolError('VALIDATION', `a Strands agent takes no ${what} as its input.`, { outcome: 'not-run' });
  });
}

/** The text of the answer, without its reasoning. */
export function textOf({ lastMessage }: AgentResult): string {
  return lastMessage.content
    .flatMap((block) => {
      if (block.type === 'textBlock') return [block.text];
      return block.type === 'citationsBlock' ? block.content.map((c) => ('text' in c ? c.text : '')) : [];
    })
    .join('');
}

/** An agent's usage since it had made `from` invocations. */
export function usageOf(metrics: AgentMetrics, from: number): Usage {
  const sum = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
  for (const { usage } of metrics.agentInvocations.slice(from)) {
    const { inputTokens, outputTokens, totalTokens, cacheReadInputTokens: read = 0, cacheWriteInputTokens: write = 0 } = usage;
    // providers differ in whether input includes cached tokens; the total shows it, except for Anthropic's, which leaves it out
    const folded = inputTokens + outputTokens === totalTokens && read + write <= inputTokens;
    sum.input += folded ? Math.max(0, inputTokens - read - write) : inputTokens;
    sum.output += outputTokens;
    sum.cacheRead += read;
    sum.cacheWrite += write;
  }
  const { input, output, cacheRead, cacheWrite } = sum;
  return { input, output, ...(cacheRead > 0 && { cacheRead }), ...(cacheWrite > 0 && { cacheWrite }) };
}
