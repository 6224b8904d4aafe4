import { isDeep, sizeOf, toldJson } from '../../json.ts';
import type { Part } from '../../ports/model.ts';
import { messageOf } from '../../reliability/classify.ts';
import { atOnce } from '../../reliability/patience.ts';
import type { Secrets } from '../../secrets.ts';
import type { AnyToolOptions } from '../types.ts';
import type { Observed } from './observed.ts';

/** Default of `maxBytes`: most bytes of a result in the journal and in the conversation. */
const MAX_BYTES = 65_536;
/** Most characters of base64 in the images and documents of one result. */
const MAX_BINARY = 8_000_000;

/**
 * A tool's output for the journal: a bounded JSON copy with secrets masked, and a note for the model if it was cut. Never throws, because
 * the tool has succeeded, whatever its output is.
 */
export function observed(
  tool: { readonly options: Pick<AnyToolOptions, 'maxBytes' | 'toModel'> },
  value: unknown,
  secrets?: Pick<Secrets, 'active'>,
): Observed {
  const mask = secrets?.active;
  const max = tool.options.maxBytes ?? MAX_BYTES;
  const kept = bounded(value, max, mask);
  const { toModel } = tool.options;
  if (!toModel) return kept;
  let parts: readonly Part[];
  try {
    const said = atOnce(toModel(value));
    parts = typeof said === 'string' ? [{ type: 'text', text: said }] : (JSON.parse(JSON.stringify(said)) as Part[]);
    if (!Array.isArray(parts)) throw new Error('it gave neither a text nor a list of parts');
  } catch (error) {
    parts = [{ type: 'text', text: `(the tool succeeded, but its output could not be shown: ${messageOf(error, mask?.mask)})` }];
  }
  const content = boundedParts(mask ? mask.maskJson(parts) : parts, max);
  const [only] = content;
  // content that equals the default is not stored
  if (
    content.length === 1 &&
    only?.type === 'text' &&
    only.vendor === undefined &&
    only.text === (typeof kept.output === 'string' ? kept.output : JSON.stringify(kept.output))
  )
    return kept;
  return { ...kept, content };
}

function bounded(value: unknown, max: number, secrets: Secrets | undefined): Observed {
  if (typeof value === 'string') return cutText(secrets ? secrets.mask(value) : value, max);
  const { json: told } = toldJson(value);
  const json = secrets ? secrets.maskJson(told) : told;
  if (typeof json === 'string') return cutText(json, max);
  const text = JSON.stringify(json);
  return fits(text, max) ? { output: json } : cutText(text, max);
}

// a UTF-16 unit is at most three bytes of UTF-8, so most texts need no counting
const fits = (text: string, max: number) => text.length * 3 <= max || Buffer.byteLength(text) <= max;

function cutText(text: string, max: number): Observed {
  if (fits(text, max)) return { output: text };
  const total = Buffer.byteLength(text);
  // `max` UTF-16 units have at least `max` bytes
  const bytes = Buffer.from(text.slice(0, max));
  let end = Math.min(max, bytes.length);
  // do not cut inside a character
  while (end > 0 && end < bytes.length && ((bytes[end] as number) & 0xc0) === 0x80) end--;
  const cut = total - end;
  return { output: `${bytes.toString('utf8', 0, end)}\n[cut: ${cut} of ${total} bytes are not shown; ask for less]`, cut };
}

/** Limits the size of parts, with separate budgets for text and for images and documents. A note says what was left out. */
function boundedParts(parts: readonly Part[], max: number): readonly Part[] {
  let text = max;
  let binary = MAX_BINARY;
  let left = 0;
  const kept: Part[] = [];
  for (const part of parts) {
    if (typeof part === 'object' && part && 'vendor' in part && part.vendor !== undefined && isDeep(part.vendor)) left++;
    else if (part?.type === 'text' && typeof part.text === 'string') {
      const size = PART + Buffer.byteLength(part.text) + sizeOf(part.vendor ?? null);
      if (size <= text) kept.push(part);
      else if (text > 64) kept.push({ type: 'text', text: cutText(part.text, text).output as string });
      else left++;
      text -= Math.min(text, size);
    } else if (
      (part?.type === 'image' || part?.type === 'document') &&
      typeof part.data === 'string' &&
      typeof part.mediaType === 'string'
    ) {
      const size = part.data.length + part.mediaType.length + (part.name?.length ?? 0) + sizeOf(part.vendor ?? null);
      if (size <= binary) {
        kept.push(part);
        binary -= size;
      } else left++;
    } else left++;
  }
  if (left > 0)
    kept.push({ type: 'text', text: `[${left} of ${parts.length} parts are not shown: too large, or of a kind that is not known]` });
  return kept;
}

/** Bytes charged for a part besides its text, so that empty parts count too. */
const PART = 32;
