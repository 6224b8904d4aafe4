import type { Part } from '../ports/model.ts';
import type { Json } from '../schema.ts';
import type { ToolDefinition } from './tool.ts';

/** Of a result that is kept and shown to the model, in bytes. */
const MAX_BYTES = 65_536;
/** An image or document larger than this is replaced by a note, in characters of base64. */
const MAX_BINARY = 8_000_000;

export interface Observed {
  output: Json;
  content?: readonly Part[];
  cut?: number;
}

/**
 * A tool's output as it is kept: plain JSON that no later change of the tool's own objects reaches, bounded, with a note
 * to the model where something was cut off.
 */
/** @param mask takes secrets out, before anything is cut: half a secret would not be found. */
export function observed(tool: ToolDefinition, value: unknown, mask?: <T>(json: T) => T): Observed {
  const max = tool.options.maxBytes ?? MAX_BYTES;
  const kept = bounded(mask ? mask(asJson(value)) : value, max);
  const { toModel } = tool.options;
  if (!toModel) return kept;
  try {
    const said = toModel(value);
    const parts: readonly Part[] = typeof said === 'string' ? [{ type: 'text', text: said }] : said;
    return { ...kept, content: boundedParts(mask ? mask(parts) : parts, max) };
  } catch (error) {
    const why = String((error as Error)?.message ?? error);
    return { ...kept, content: boundedParts([{ type: 'text', text: `(the tool succeeded, but its output could not be shown: ${mask ? mask(why) : why})` }], max) };
  }
}

/** What JSON makes of a value; one that is no JSON is left for {@link bounded} to tell. */
function asJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  try {
    return JSON.parse(JSON.stringify(value));
  } catch {
    return value;
  }
}

function bounded(value: unknown, max: number): Observed {
  if (value === undefined || value === null) return { output: null };
  if (typeof value === 'number' || typeof value === 'boolean') return { output: typeof value === 'boolean' || Number.isFinite(value) ? value : String(value) };
  if (typeof value === 'string') return cutText(value, max);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    return { output: `(the tool succeeded, but its output is no JSON: ${(error as Error).message})` };
  }
  if (text === undefined) return { output: null };
  if (fits(text, max)) return { output: JSON.parse(text) as Json };
  return cutText(text, max);
}

// a UTF-16 unit is at most three bytes of UTF-8, so most texts need no counting
const fits = (text: string, max: number) => text.length * 3 <= max || Buffer.byteLength(text) <= max;

function cutText(text: string, max: number): Observed {
  if (fits(text, max)) return { output: text };
  const bytes = Buffer.from(text);
  let end = max;
  // never inside a character
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--;
  const cut = bytes.length - end;
  return { output: `${bytes.toString('utf8', 0, end)}\n[cut: ${cut} of ${bytes.length} bytes are not shown; ask for less]`, cut };
}

function boundedParts(parts: readonly Part[], max: number): readonly Part[] {
  let left = max;
  return parts.map((part) => {
    if (part.type === 'image' || part.type === 'document')
      return part.data.length <= MAX_BINARY ? part : { type: 'text', text: `(${part.type} of ${part.data.length} characters left out: too large)` };
    if (part.type !== 'text') return part;
    const text = cutText(part.text, Math.max(left, 64)).output as string;
    left -= Math.min(left, Buffer.byteLength(text));
    return text === part.text ? part : { ...part, text };
  });
}
