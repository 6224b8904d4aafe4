/**
 * The file of a recording: lines of JSON, appended only. Instructions, tools and messages are written once each, before the first answer that
 * needs them, and answers refer to them by id. So a file grows with the conversation, not with its square.
 *
 * - `{"rondo":"recording","version":1}`
 * - `{"id":"…","model":{"provider":"bedrock","id":"…","maxOutput":4096}}`
 * - `{"id":"…","instructions":"…"}`, `{"id":"…","tool":{…}}`
 * - `{"id":"…","after":"<id of the message before>","message":{"role":"user","content":[…]}}`
 * - `{"asked":{"model":"<id>","instructions":"<id>","tools":["<id>"],"message":"<id of the last>"},"answer":{…}}`
 */
import { RondoError } from '../../errors.ts';
import { isDeep, type Json, MAX_DEPTH } from '../../json.ts';
import { fs } from '../../node.ts';
import type { Model, ModelResponse } from '../../ports/model.ts';
import type { Written } from './asked.ts';

const VERSION = 1;
export const HEADER = `${JSON.stringify({ rondo: 'recording', version: VERSION })}\n`;

export type RecordedModel = Pick<Model, 'provider' | 'id' | 'maxOutput' | 'contextWindow' | 'settings'>;
export interface Exchange {
  readonly line: number;
  readonly model: RecordedModel;
  readonly asked: Written;
  readonly answer: ModelResponse;
}

export interface Recording {
  readonly exchanges: readonly Exchange[];
  /** The ids of all models, instructions, tools and messages in it. */
  readonly ids: ReadonlySet<string>;
}

type Obj = { readonly [k: string]: Json };
const isObject = (value: Json | undefined): value is Obj => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws RondoError `RECORDING_NOT_FOUND`, `RECORDING_DAMAGED`, `RECORDING_VERSION` */
export function readRecording(file: string): Recording {
  const text = contentOf(file);
  const damaged = (line: number, what: string, o: { cause?: unknown; unfinished?: true } = {}) =>
    new RondoError(
      'RECORDING_DAMAGED',
      `${file}, line ${line}: ${what}. Restore the file, remove the line if it is the last one, or delete the file and record again.`,
      { details: { file, line, ...(o.unfinished && { unfinished: true }) }, cause: o.cause },
    );
  const lines = text.split('\n');
  if (lines.pop() !== '') throw damaged(lines.length + 1, 'the line is cut off: it has no end', { unfinished: true });
  const parsed = lines.map((line, i): Obj => {
    let json: Json;
    try {
      json = JSON.parse(line) as Json;
    } catch (error) {
      throw damaged(i + 1, 'it is not JSON', { cause: error });
    }
    if (!isObject(json) || isDeep(json, MAX_DEPTH)) throw damaged(i + 1, 'it is not an object of a recording');
    return json;
  });
  const [header, ...rest] = parsed;
  if (header?.rondo !== 'recording' || typeof header.version !== 'number')
    throw damaged(1, 'the file does not begin as a recording does, so it is none');
  if (header.version > VERSION)
    throw new RondoError(
      'RECORDING_VERSION',
      `${file} has version ${header.version}, and this rondo reads up to ${VERSION}. Upgrade rondo, or record again.`,
      { details: { file, version: header.version } },
    );
  return collected(rest, damaged);
}

function contentOf(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? 'there is no such recording' : `the recording cannot be read (${message})`;
    throw new RondoError('RECORDING_NOT_FOUND', `${file}: ${what}. Make it with record(model, ${JSON.stringify(file)}).`, {
      details: { file },
      cause: error,
    });
  }
}

function collected(lines: readonly Obj[], damaged: (line: number, what: string) => RondoError): Recording {
  const models = new Map<string, RecordedModel>();
  const instructions = new Map<string, string>();
  const tools = new Map<string, Json>();
  const messages = new Map<string, { after: string | undefined; message: Json }>();
  const exchanges: Exchange[] = [];
  const get = <T>(from: ReadonlyMap<string, T>, id: Json | undefined, what: string, line: number): T => {
    const found = typeof id === 'string' ? from.get(id) : undefined;
    if (found === undefined) throw damaged(line, `it refers to ${what} ${JSON.stringify(id) ?? ''}, which is not in a line before`);
    return found;
  };
  lines.forEach((o, i) => {
    const line = i + 2;
    if (o.rondo === 'recording' && o.version === VERSION) return;
    const { id } = o;
    if (isObject(o.asked)) {
      const { asked } = o;
      if (!isAnswer(o.answer)) throw damaged(line, 'its answer is not { content: [...], stop }');
      const told: Json[] = [];
      for (let at = asked.message; at !== undefined; ) {
        const node: { after: string | undefined; message: Json } = get(messages, at, 'message', line);
        told.push(node.message);
        at = node.after as Json;
      }
      exchanges.push({
        line,
        model: get(models, asked.model, 'model', line),
        asked: {
          instructions: get(instructions, asked.instructions, 'instructions', line),
          tools: (Array.isArray(asked.tools) ? asked.tools : []).map((tool) => get(tools, tool, 'tool', line)),
          messages: told.reverse(),
          ...(asked.toolChoice !== undefined && { toolChoice: asked.toolChoice }),
          ...(asked.output !== undefined && { output: asked.output }),
        },
        answer: o.answer as unknown as ModelResponse,
      });
    } else if (typeof id !== 'string') throw damaged(line, 'it has no id');
    else if (isModel(o.model)) models.set(id, o.model as unknown as RecordedModel);
    else if (typeof o.instructions === 'string') instructions.set(id, o.instructions);
    else if (isObject(o.tool)) tools.set(id, o.tool);
    else if (isObject(o.message)) {
      // a message comes after one of a line before, so there are no circles
      if (o.after !== undefined) get(messages, o.after, 'message', line);
      if (!messages.has(id)) messages.set(id, { after: o.after as string | undefined, message: o.message });
    } else throw damaged(line, 'it is of no known kind');
  });
  return { exchanges, ids: new Set([...models.keys(), ...instructions.keys(), ...tools.keys(), ...messages.keys()]) };
}

const isModel = (model: Json | undefined): boolean => isObject(model) && typeof model.provider === 'string' && typeof model.id === 'string';

const isAnswer = (answer: Json | undefined): boolean =>
  isObject(answer) && Array.isArray(answer.content) && answer.content.every(isObject) && typeof answer.stop === 'string';
