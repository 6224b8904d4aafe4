/** The body of a request: which of the media types that an operation takes is sent, and how a value becomes its bytes. */
import { invalid } from '../../../errors.ts';
import type { Json, JsonObject } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { resolved, step } from './references.ts';
import type { Schemas } from './schema.ts';
import { encode, inQuery, isStyle, refused, whole } from './styles.ts';

type Kind = 'json' | 'urlencoded' | 'multipart' | 'text' | 'bytes';

export interface RequestBody {
  readonly kind: Kind;
  /** As it is sent. A boundary is added to multipart. */
  readonly type: string;
  readonly required: boolean;
  readonly description: string | undefined;
  /** Unconverted. */
  readonly schema: Json | undefined;
  /** The position of the schema. */
  readonly at: string;
  readonly encoding: JsonObject;
  /** The fields of a form that are files. */
  readonly files: ReadonlySet<string>;
  /** What is sent where a call has no body. Default: nothing. */
  readonly empty?: Json;
}

/** In the order in which they are preferred. */
const KINDS: readonly [kind: Kind, matches: RegExp, type?: string][] = [
  ['json', /^application\/json$|^[^;]+\+json$/],
  ['json', /^\*\/\*$|^application\/\*$/, 'application/json'],
  ['urlencoded', /^application\/x-www-form-urlencoded$/],
  ['multipart', /^multipart\/form-data$/],
  ['text', /^text\//],
  ['bytes', /./],
];

/** @throws RondoError `CONFIG_INVALID` for a body without a media type. */
export function bodyOf(document: JsonObject, request: JsonObject, at: string, where: string): RequestBody {
  const types = Object.entries(isObject(request.content) ? request.content : {});
  for (const [kind, matches, instead] of KINDS)
    for (const [type, media] of types) {
      const bare = (type.split(';')[0] as string).trim().toLowerCase();
      if (!matches.test(bare)) continue;
      const { schema, encoding } = isObject(media) ? media : {};
      const place = `${at}/content${step(type)}/schema`;
      return {
        kind,
        type: instead ?? (bare === 'text/*' ? 'text/plain' : bare.includes('*') ? 'application/octet-stream' : type),
        required: request.required === true,
        description: typeof request.description === 'string' ? request.description : undefined,
        schema,
        at: place,
        encoding: isObject(encoding) ? encoding : {},
        files: kind === 'multipart' ? filesIn(document, schema, place, where) : new Set(),
      };
    }
  throw invalid(`${where}: ${at}/content names no media type.`, { details: { at: `${at}/content` } });
}

/** A file in the input of a tool: models write text as it is, and bytes in base64. */
const FILE: JsonObject = {
  type: 'object',
  description: 'A file: its text, or its bytes in base64',
  properties: { name: { type: 'string' }, text: { type: 'string' }, base64: { type: 'string' } },
};

/** The JSON Schema of the argument `body`. */
export function bodySchema(body: RequestBody, schemas: Schemas): Json {
  const described = (schema: Json): Json =>
    body.description !== undefined && isObject(schema) && schema.$ref === undefined && schema.description === undefined
      ? { ...schema, description: body.description }
      : schema;
  if (body.kind === 'bytes') return described({ ...FILE, description: 'The content: its text, or its bytes in base64' });
  if (body.kind === 'text') return described({ type: 'string' });
  if (body.files.size === 0) return described(schemas.written(body.schema, body.at));
  const meant = schemas.written(schemas.meant(body.schema, body.at), body.at);
  if (!isObject(meant) || !isObject(meant.properties)) return described(meant);
  const many = (name: string) => isObject(meant.properties) && isObject(meant.properties[name]) && meant.properties[name].type === 'array';
  const files = [...body.files].map((name) => [name, many(name) ? { type: 'array', items: FILE } : FILE]);
  return described({ ...meant, properties: { ...meant.properties, ...Object.fromEntries(files) } });
}

function filesIn(document: JsonObject, schema: Json | undefined, at: string, where: string): ReadonlySet<string> {
  const meant = resolved(document, schema, at, where);
  const properties = isObject(meant) && isObject(meant.properties) ? meant.properties : {};
  const isFile = (field: Json | undefined): boolean => {
    const found = resolved(document, field, at, where);
    if (!isObject(found)) return false;
    return (
      found.format === 'binary' || found.format === 'base64' || found.contentMediaType !== undefined || found.contentEncoding === 'base64'
    );
  };
  return new Set(
    Object.entries(properties)
      .filter(([, field]) => isFile(field) || isFile((resolved(document, field, at, where) as JsonObject)?.items))
      .map(([name]) => name),
  );
}

/** @throws ToolError `INVALID_ARGUMENTS` for a value that the media type cannot hold. */
export async function encodeBody(body: RequestBody, value: Json): Promise<{ type: string; bytes: Uint8Array }> {
  const of = (text: string) => ({ type: body.type, bytes: Buffer.from(whole(text)) });
  if (body.kind === 'json') return of(JSON.stringify(value));
  if (body.kind === 'text') return of(typeof value === 'string' ? value : JSON.stringify(value));
  if (body.kind === 'bytes') return { type: body.type, bytes: fileBytes(value, 'body') };
  if (!isObject(value)) throw refused('body is a form: an object with its fields.');
  return body.kind === 'urlencoded' ? of(urlencoded(body, value)) : multipart(body, value);
}

function urlencoded({ encoding }: RequestBody, value: JsonObject): string {
  return Object.entries(value)
    .flatMap(([name, field]) => {
      const { style, explode, allowReserved } = isObject(encoding[name]) ? encoding[name] : {};
      const asked = isStyle(style) ? style : undefined;
      return inQuery(
        {
          name,
          style: asked ?? 'form',
          explode: typeof explode === 'boolean' ? explode : (asked ?? 'form') === 'form',
          reserved: allowReserved === true,
          json: asked === undefined && isObject(field),
        },
        field,
      );
    })
    .join('&')
    .replaceAll('%20', '+');
}

/** Written here, because a FormData writes the same fields with a boundary of its own for each attempt, and signs are made of bytes. */
function multipart({ encoding, files, type }: RequestBody, value: JsonObject): { type: string; bytes: Uint8Array } {
  const boundary = `rondo-${crypto.randomUUID()}`;
  const parts: Uint8Array[] = [];
  const add = (name: string, content: Uint8Array | string, o: { type?: string | undefined; file?: string } = {}) => {
    const file = o.file === undefined ? '' : `; filename="${quoted(o.file)}"`;
    const kind = o.type === undefined ? '' : `\r\ncontent-type: ${o.type}`;
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${quoted(name)}"${file}${kind}\r\n\r\n`;
    parts.push(Buffer.from(whole(head)), typeof content === 'string' ? Buffer.from(whole(content)) : content, Buffer.from('\r\n'));
  };
  for (const [name, field] of Object.entries(value)) {
    const { contentType } = isObject(encoding[name]) ? encoding[name] : {};
    // several types, or a range of them, leave the choice open
    const given = typeof contentType === 'string' && !/[,*]/.test(contentType) ? contentType : undefined;
    for (const item of Array.isArray(field) ? field : [field]) {
      if (item === null) continue;
      if (files.has(name)) {
        const told = isObject(item) && typeof item.name === 'string' ? item.name : name;
        add(name, fileBytes(item, `body.${name}`), { type: given ?? 'application/octet-stream', file: told });
      } else if (typeof item === 'object') add(name, JSON.stringify(item), { type: given ?? 'application/json' });
      else add(name, String(item), { type: given });
    }
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  return { type: `${type}; boundary=${boundary}`, bytes: Buffer.concat(parts) };
}

/** As browsers do. */
const quoted = (text: string) => text.replace(/["\r\n]/g, encode);

function fileBytes(value: Json, what: string): Uint8Array {
  if (typeof value === 'string') return Buffer.from(whole(value));
  const { text, base64 } = isObject(value) ? value : {};
  if (typeof text === 'string') return Buffer.from(whole(text));
  if (typeof base64 === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(base64.replace(/\s/g, ''))) return Buffer.from(base64, 'base64');
  throw refused(`${what} is a file: { text: "..." }, or { base64: "..." }.`);
}
