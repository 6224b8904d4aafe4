import type { ContentBlock, DocumentFormat, ImageBlock, ImageFormat } from '@aws-sdk/client-bedrock-runtime';
import type { Part } from '../../ports/model.ts';
import { wellFormed } from '../../ports/sendable/text.ts';
import type { Feature } from './families.ts';

export type Media = Extract<Part, { type: 'image' | 'document' }>;
/** A block that a message or a tool's result may hold. */
export type MediaBlock = ContentBlock.ImageMember | ContentBlock.DocumentMember | ContentBlock.TextMember;

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
/** Bytes of one image; 5 MB in base64. */
const MAX_IMAGE = 3_932_160;

const essence = (mediaType: string): string => (mediaType.split(';', 1)[0] ?? '').trim().toLowerCase();

/** The media state of one request. */
export interface Shelf {
  documentName: (name: string | undefined) => string;
  dropped: ReadonlySet<Feature>;
  sent: Set<Feature>;
  /** The media beyond the limit. */
  surplus: ReadonlySet<Part>;
}

/** An image or a document as a block, or the line of text that replaces one which cannot be sent. */
export function mediaBlock(part: Media, shelf: Shelf): MediaBlock {
  const { dropped, sent, surplus } = shelf;
  if (surplus.has(part)) return left(part, 'newer ones fill what one request may hold');
  const bytes = Buffer.from(part.data, 'base64');
  if (bytes.length === 0) return left(part, 'it is empty');
  if (part.type === 'image') {
    const format = (dropped.has('declared') ? shown(bytes) : undefined) ?? IMAGES[essence(part.mediaType)];
    if (!format) return left(part, `the model takes ${Object.keys(IMAGES).join(', ')}`);
    if (dropped.has('image')) return left(part, 'the model does not take it');
    if (bytes.length > MAX_IMAGE) return left(part, `it has ${bytes.length} bytes, and the model takes ${MAX_IMAGE}`);
    sent.add('image').add('declared');
    return { image: { format, source: { bytes } } };
  }
  const format = documentFormat(part);
  if (!format) return left(part, `the model takes ${[...Object.keys(DOCUMENTS), 'text/*'].join(', ')}`);
  if (dropped.has('document')) return TEXTS.has(format) ? inWords(part, bytes) : left(part, 'the model does not take it');
  sent.add('document');
  return { document: { format, name: shelf.documentName(part.name), source: { bytes } } };
}

function documentFormat({ mediaType }: Media): DocumentFormat | undefined {
  const type = essence(mediaType);
  return DOCUMENTS[type] ?? (type.startsWith('text/') ? 'txt' : undefined);
}

const TEXTS: ReadonlySet<string> = new Set(['txt', 'md', 'csv', 'html']);

const inWords = ({ name }: Media, bytes: Buffer): MediaBlock => ({
  text: `(The document ${JSON.stringify(name ?? 'document')}:)\n${wellFormed(bytes.toString('utf8'))}`,
});

function left({ type, mediaType, name }: Media, why: string): MediaBlock {
  const called = name === undefined ? '' : ` ${JSON.stringify(name.slice(0, 200))}`;
  return {
    text: `(${type === 'image' ? 'An image' : 'A document'}${called} of type ${wellFormed(mediaType).slice(0, 100)} was left out here: ${why}.)`,
  };
}

/** The format according to an image's first bytes. */
function shown(bytes: Buffer): ImageFormat | undefined {
  if (bytes.subarray(0, 4).toString('latin1') === '\x89PNG') return 'png';
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'jpeg';
  if (bytes.subarray(0, 4).toString('latin1') === 'GIF8') return 'gif';
  return bytes.subarray(0, 4).toString('latin1') === 'RIFF' && bytes.subarray(8, 12).toString('latin1') === 'WEBP' ? 'webp' : undefined;
}

/** An image that the model created; none if the model failed to create it. */
export function imagePart(image: ImageBlock): Part | undefined {
  const bytes = image.source?.bytes;
  if (!bytes) return undefined;
  return { type: 'image', mediaType: `image/${image.format}`, data: Buffer.from(bytes).toString('base64') };
}

/**
 * Document names as Bedrock accepts them: letters, digits, hyphens, brackets, single spaces, unique in a request. The extension is
 * removed, because Bedrock refuses its dot and gets the format separately.
 */
export function documentNames(): (name: string | undefined) => string {
  const used = new Set<string>();
  return (name) => {
    const base =
      (name ?? '')
        .replace(/\.[a-zA-Z0-9]{1,5}$/, '')
        .replace(/[^a-zA-Z0-9\s\-()[\]]/g, ' ')
        .replace(/\s+/g, ' ')
        .trim()
        .slice(0, 180)
        .trim() || 'document';
    let unique = base;
    for (let n = 2; used.has(unique); n++) unique = `${base} (${n})`;
    used.add(unique);
    return unique;
  };
}
