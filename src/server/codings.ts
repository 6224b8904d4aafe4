/** The codings of the content of HTTP (RFC 9110, 8.4): how a body was compressed. */
import { pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

/** @param first the first byte of the body. */
export type Decoder = (first: number) => Transform;

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  ['br', () => createBrotliDecompress()],
  // the format of zlib, whose first byte says so; some servers send what is inside it
  ['deflate', (first) => ((first & 0x0f) === 8 ? createInflate() : createInflateRaw())],
]);
/** Codings of one body. Each costs memory, and a header has room for thousands. */
const MOST = 5;

/** What undoes the codings of a body, in this order. None if one of them is unknown: the body is given as it came. @throws Error for too many. */
export function decodersOf(header = ''): readonly Decoder[] {
  const names = header.split(',').flatMap((name) => name.trim().toLowerCase() || []);
  const codings = names.filter((name) => name !== 'identity');
  if (codings.length > MOST) throw new Error(`its body has ${codings.length} codings, and at most ${MOST} are undone`);
  const decoders = codings.flatMap((name) => DECODERS.get(name) ?? []);
  return decoders.length === codings.length ? decoders.reverse() : [];
}

/** The content of a body. It is read only as far as this is. */
export const decoded = (body: Readable, decoders: readonly Decoder[]): AsyncIterable<Uint8Array> =>
  decoders.reduce<AsyncIterable<Uint8Array>>(undone, body);

async function* undone(source: AsyncIterable<Uint8Array>, decoder: Decoder): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  const first = await chunks.next();
  // a body without a byte is empty, whatever its coding; a decoder would miss the rest
  if (first.done) return;
  const whole = async function* () {
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => chunks };
  };
  yield* pipeline(whole, decoder(first.value[0] as number), () => undefined);
}
