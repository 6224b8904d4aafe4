import { invalid, ToolError } from '../../errors.ts';
import { canonical, sha256 } from '../../journal/canonical.ts';
import { type Json, put } from '../../json.ts';
import { checkOptions } from '../../options.ts';
import type { Message, ModelRequest } from '../../ports/model.ts';
import { messageOf } from '../../reliability/classify.ts';
import { Secrets, secretsIn } from '../../secrets.ts';
import type { Prompt } from '../moved.ts';

export interface RecordingOptions {
  /**
   * Changes each text of requests and answers before it is written or compared: masks what is private, and evens out what is another in each
   * run, such as a time. Give `record` and `replay` the same one.
   */
  redact?: (text: string) => string;
  /** Secrets by name, which are replaced by `[secret NAME]`. Variables of the environment that look like secrets are replaced in any case. */
  secrets?: { readonly [name: string]: string | undefined };
}

export const RECORDING_OPTIONS = {
  redact: "redact: (text) => text.replace(/\\d\\d:\\d\\d/g, 'TIME')",
  secrets: 'secrets: { API_KEY: process.env.API_KEY }',
} satisfies Record<keyof RecordingOptions, string>;

/** A request without secrets, with the parts that identify it. */
export interface Asked extends Prompt {
  readonly instructions: string;
  readonly tools: readonly Json[];
  readonly messages: readonly Json[];
  readonly toolChoice?: Json;
  readonly output?: Json;
  readonly ids: Ids;
}

interface Ids {
  readonly instructions: string;
  readonly tools: readonly string[];
  /** Each with all before it, so that the last one stands for the conversation. */
  readonly messages: readonly string[];
  /** Of the whole request. Equal requests have equal ids. */
  readonly whole: string;
}

/** A request as the file has it. */
export type Written = Omit<Asked, 'ids'>;

/** Base64 data of requests that is longer is written as its hash. */
const LONGEST_DATA = 1_000;
const MEDIA: ReadonlySet<unknown> = new Set(['image', 'document']);

const shortId = (text: string): string => sha256(text).slice(0, 16);
const messageId = (after: string | undefined, message: string): string => shortId(`${after ?? ''}\n${message}`);

/** @throws ToolError `RECORDING_FAILED`: what was not redacted is not written. */
function redacted(text: string, redact: (text: string) => string): string {
  const failed = (why: string, cause?: unknown) =>
    new ToolError('RECORDING_FAILED', `the option redact failed, so nothing was written: ${why}. It takes a text and returns one.`, {
      cause,
    });
  let found: unknown;
  try {
    found = redact(text);
  } catch (error) {
    throw failed(messageOf(error), error);
  }
  if (typeof found !== 'string') throw failed(`it returned ${found === null ? 'null' : typeof found}`);
  return found;
}

/** Removes secrets. */
export class Cleaner {
  readonly #secrets: Secrets;
  readonly #redact: ((text: string) => string) | undefined;
  /** Messages and tools are the same objects in each step, so each is worked on once. */
  readonly #known = new WeakMap<object, Json>();
  readonly #texts = new WeakMap<object, string>();

  constructor(o: RecordingOptions, where: string, examples: { readonly [option: string]: string }) {
    checkOptions(o, examples, where);
    if (o.redact !== undefined && typeof o.redact !== 'function')
      throw invalid(`${where}: redact is a function from text to text: { ${RECORDING_OPTIONS.redact} }.`);
    const named = Object.entries(o.secrets ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    this.#secrets = new Secrets([...named, ...secretsIn(process.env)]);
    const { redact } = o;
    this.#redact = redact && ((text) => redacted(text, redact));
  }

  /** A copy without secrets, redacted. @throws ToolError `RECORDING_FAILED` if `redact` fails. */
  clean<T>(value: T): T {
    const masked = this.#secrets.maskJson(value);
    return this.#redact ? (eachText(masked, this.#redact) as T) : masked;
  }

  /** A request as it is written and compared. */
  asked(request: ModelRequest): Asked {
    const { instructions, toolChoice, output, tools, messages } = request;
    return this.#identified({
      instructions: this.clean(instructions),
      tools: tools.map((tool) => this.#once(tool, () => this.clean(tool))),
      messages: messages.map((message) => this.#once(message, () => this.clean(withHashes(message)))),
      ...(toolChoice !== undefined && { toolChoice: this.clean(toolChoice as Json) }),
      ...(output !== undefined && { output: this.clean(output as Json) }),
    });
  }

  /** A request that was written already. Secrets that only this process knows are removed from it too, so that both sides are equal. */
  recorded(written: Written): Asked {
    const masked = (value: Json) => this.#once(value as object, () => this.#secrets.maskJson(value));
    const { tools, messages, ...rest } = written;
    return this.#identified({ ...this.#secrets.maskJson(rest), tools: tools.map(masked), messages: messages.map(masked) });
  }

  #once(value: object, make: () => Json): Json {
    const json = this.#known.get(value) ?? make();
    this.#known.set(value, json);
    return json;
  }

  #textOf(value: Json): string {
    const text = this.#texts.get(value as object) ?? canonical(value);
    this.#texts.set(value as object, text);
    return text;
  }

  #identified(asked: Written): Asked {
    const instructions = shortId(asked.instructions);
    const tools = asked.tools.map((tool) => shortId(this.#textOf(tool)));
    const messages: string[] = [];
    for (const message of asked.messages) messages.push(messageId(messages.at(-1), this.#textOf(message)));
    const { toolChoice = null, output = null } = asked;
    const whole = shortId(canonical([instructions, tools, messages.at(-1) ?? null, toolChoice, output]));
    return { ...asked, ids: { instructions, tools, messages, whole } };
  }
}

/** A message as the model is told it: without the engine's notes, which name the run, and with hashes of large data. */
function withHashes({ role, content }: Message): Json {
  const hashed = (part: object): object => {
    const {
      type,
      data,
      output,
      cleared: _,
      ...rest
    } = part as { type?: unknown; data?: unknown; output?: readonly object[]; cleared?: unknown };
    if (type === 'toolResult' && output) return { type, ...rest, output: output.map(hashed) };
    return MEDIA.has(type) && typeof data === 'string' && data.length > LONGEST_DATA ? { ...part, data: `sha256:${sha256(data)}` } : part;
  };
  return { role, content: content.map(hashed) } as unknown as Json;
}

function eachText(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => eachText(item, change));
  const copy: { [k: string]: unknown } = {};
  for (const [key, item] of Object.entries(value)) put(copy, key, eachText(item, change));
  return copy;
}
