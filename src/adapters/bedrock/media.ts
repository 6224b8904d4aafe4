import type { DocumentBlock, DocumentFormat, ImageBlock, ImageFormat } from '@aws-sdk/client-bedrock-runtime';
import { ToolError } from '../../errors.ts';
import type { Part } from '../../ports/model.ts';

type Media = Extract<Part, { type: 'image' | 'document' }>;

const IMAGES: Readonly<Record<string, ImageFormat>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/jpg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
};
const DOCUMENTS: Readonly<Record<string, DocumentFormat>> = {
  'application/pdf': 'pdf',
  'text/csv': 'csv',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'text/html': 'html',
  'text/markdown': 'md',
  'text/plain': 'txt',
  'application/json': 'txt',
};

const essence = (mediaType: string): string => (mediaType.split(';', 1)[0] ?? '').trim().toLowerCase();

export function imageBlock(part: Media): ImageBlock {
  const format = IMAGES[essence(part.mediaType)];
  if (!format) throw unsupported('image', part.mediaType, Object.keys(IMAGES));
  return { format, source: { bytes: Buffer.from(part.data, 'base64') } };
}

export function documentBlock(part: Media, name: string): DocumentBlock {
  const type = essence(part.mediaType);
  const format = DOCUMENTS[type] ?? (type.startsWith('text/') ? 'txt' : undefined);
  if (!format) throw unsupported('document', part.mediaType, [...Object.keys(DOCUMENTS), 'text/*']);
  return { format, name, source: { bytes: Buffer.from(part.data, 'base64') } };
}

/** An image of the model's own making; none where the model failed to make it. */
export function imagePart(image: ImageBlock): Part | undefined {
  const bytes = image.source?.bytes;
  if (!bytes) return undefined;
  return { type: 'image', mediaType: `image/${image.format}`, data: Buffer.from(bytes).toString('base64') };
}

function unsupported(what: string, mediaType: string, known: readonly string[]): ToolError {
  return new ToolError('VALIDATION', `Bedrock takes no ${what} of type ${mediaType}. Convert it to one of: ${known.join(', ')}.`, {
    outcome: 'not-run',
  });
}
