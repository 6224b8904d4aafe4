import { put } from './json.ts';
import { literal, plainSpellings, spellings } from './spellings.ts';

/** Fewer characters stand in every text: masked, they would leave none readable, and hide nothing. */
const SHORTEST_NAMED = 4;

/** Deeper than this nothing is looked for, and so nothing is told. */
const MAX_DEPTH = 500;

type Named = readonly [name: string, value: string];

export interface SecretStream {
  /** What can be told now; may be empty. */
  next(piece: string): string;
  /** What was held, once nothing more comes. */
  end(): string;
}

const mark = (name: string) => `[secret ${name}]`;

/**
 * Secrets that must not be told, by name. Whatever is told passes through a mask first, and is cut after that: half a secret would not
 * be found. Secrets can be added at any time; a mask that was handed out knows them from then on.
 */
export class Secrets {
  /** By value: one that is handed out twice is one. */
  readonly #names = new Map<string, string>();
  #pattern: { regex: RegExp; names: readonly string[] } | undefined;
  #plain: readonly string[] | undefined;

  constructor(named: Iterable<Named> = []) {
    this.add(named);
  }

  add(named: Iterable<Named>): void {
    for (const [name, value] of named) {
      if (value.length < SHORTEST_NAMED || this.#names.has(value)) continue;
      this.#names.set(value, name);
      this.#pattern = undefined;
      this.#plain = undefined;
    }
  }

  get empty(): boolean {
    return this.#names.size === 0;
  }

  /** Of a text, whole: `[secret NAME]` in place of every spelling. */
  readonly mask = (text: string): string => {
    if (this.empty) return text;
    this.#pattern ??= this.#compiled();
    const { regex, names } = this.#pattern;
    return text.replace(regex, (found, ...groups) => {
      const at = groups.slice(0, names.length).findIndex((group) => group !== undefined);
      return at < 0 ? found : mark(names[at] as string);
    });
  };

  /** A copy of plain JSON, its keys and numbers included. */
  maskJson<T>(value: T): T {
    return this.empty ? value : (this.#deep(value, MAX_DEPTH) as T);
  }

  /** A mask for text that comes in pieces: the end of a piece that may begin a secret is held until the next one. */
  stream(): SecretStream {
    let held = '';
    return {
      next: (piece) => {
        if (this.empty && held === '') return piece;
        const text = this.mask(held + piece);
        const keep = this.#begun(text);
        held = keep === 0 ? '' : text.slice(-keep);
        return keep === 0 ? text : text.slice(0, -keep);
      },
      end: () => {
        const rest = held;
        held = '';
        return rest;
      },
    };
  }

  #compiled(): { regex: RegExp; names: readonly string[] } {
    // the longest first, so that no part of one is left
    const longest = [...this.#names].sort(([a], [b]) => b.length - a.length);
    const names = longest.map(([, name]) => name);
    // what is masked already stays as it is, though a short secret may be a part of its name
    const marks = [...new Set(names)].map((name) => literal(mark(name)));
    const values = longest.map(([value]) => `(${spellings(value)})`);
    return { regex: new RegExp([...marks, ...values].join('|'), 'g'), names };
  }

  /** How many of the last characters of a text may be the beginning of a secret. */
  #begun(text: string): number {
    this.#plain ??= [...this.#names.keys()].flatMap(plainSpellings);
    let most = 0;
    for (const form of this.#plain)
      for (let length = Math.min(form.length - 1, text.length); length > most; length--)
        if (text.endsWith(form.slice(0, length))) most = length;
    return most;
  }

  #deep(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.mask(value);
    if (typeof value === 'number') return this.#number(value);
    if (typeof value !== 'object' || value === null) return value;
    if (depth === 0) return '[nested too deeply]';
    if (Array.isArray(value)) return value.map((item) => this.#deep(item, depth - 1));
    const masked: { [key: string]: unknown } = {};
    for (const [key, item] of Object.entries(value)) {
      const known = this.mask(key);
      let name = known;
      // two keys that are masked alike stay two
      for (let i = 2; Object.hasOwn(masked, name); i++) name = `${known} (${i})`;
      put(masked, name, this.#deep(item, depth - 1));
    }
    return masked;
  }

  /** A secret of digits may come back as a number. */
  #number(value: number): unknown {
    for (const [secret, name] of this.#names) if (/^\s*[+-]?\d[\d.]*\s*$/.test(secret) && Number(secret) === value) return mark(name);
    const text = String(value);
    const masked = this.mask(text);
    return masked === text ? value : masked;
  }
}

/** Names of settings that hold secrets. */
const SECRET_NAME =
  /auth|token|secret|passw|passphrase|pwd|credential|cookie|session|signature|private|(?:^|[-_])(?:key|pat|dsn|jwt|pin)(?:$|[-_])|key$/i;
/** Words, numbers, versions, and names with a number behind them: what paths, addresses and languages are made of. */
const PLAIN_WORD = /^(?:[A-Z]?[a-z]{0,15}\d{0,4}|[A-Z]{1,12}\d{0,4}|\d{1,8}[a-zA-Z]{0,2}|[a-z]{1,12}(?:[A-Z][a-z]{1,11})+)$/;
const SHORTEST = 6;

/** Whether a value does not look like a secret. An address with a user in it may be one. */
const isPlain = (value: string) => !/:\/\/[^/]*@/.test(value) && value.split(/[^a-zA-Z0-9]+/).every((word) => PLAIN_WORD.test(word));

/**
 * The secrets among settings that are handed to another program, such as environment variables or headers: what has the name of a secret, and
 * every value of six characters or more that is more than a word, a number, a path or an address. Of `Bearer x` and `user:password` it is each part.
 */
export function secretsIn(settings: { readonly [name: string]: string | undefined }): Named[] {
  return Object.entries(settings).flatMap(([name, value]): Named[] => {
    if (typeof value !== 'string' || value.length < SHORTEST_NAMED) return [];
    if (!SECRET_NAME.test(name) && (value.length < SHORTEST || isPlain(value))) return [];
    return [value, ...partsOf(value)].map((part) => [name, part] as const);
  });
}

/** What of a value is a secret by itself: behind the name of a scheme, in a user's place of an address, between `;` of a cookie. */
function partsOf(value: string): string[] {
  const parts: string[] = [];
  const [, scheme = '', token = ''] = /^([A-Za-z][\w-]*) +(\S.*)$/.exec(value) ?? [];
  if (token.length >= SHORTEST) parts.push(token);
  if (/^basic$/i.test(scheme)) parts.push(...behindColon(Buffer.from(token, 'base64').toString()));
  if (URL.canParse(value)) {
    const { password, searchParams } = new URL(value);
    parts.push(decoded(password), ...[...searchParams].filter(([name]) => SECRET_NAME.test(name)).map(([, of]) => of));
  }
  for (const [, of = ''] of value.matchAll(/(?:^|; *)[\w.-]+=([^;]+)/g)) parts.push(of);
  return parts.filter((part) => part.length >= SHORTEST);
}

const behindColon = (text: string): string[] => (text.includes(':') ? [text, text.slice(text.indexOf(':') + 1)] : []);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
