import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Part } from '../../../ports/model.ts';

/** A part of a result or of a prompt, as MCP has it. What it has nothing for is left out. */
export function toContent(part: Part): CallToolResult['content'] {
  if (part.type === 'text') return [{ type: 'text', text: part.text }];
  if (part.type === 'image') return [{ type: 'image', data: part.data, mimeType: part.mediaType }];
  if (part.type !== 'document') return [];
  const { mediaType, data, name } = part;
  if (mediaType.startsWith('audio/')) return [{ type: 'audio', data, mimeType: mediaType }];
  const uri = name !== undefined && URL.canParse(name) ? name : `document:${encodeURIComponent(name ?? 'result')}`;
  return [{ type: 'resource', resource: { uri, mimeType: mediaType, blob: data } }];
}
