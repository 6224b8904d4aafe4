import { put } from './json.ts';
import { literal, plainSpellings, spellings } from './spellings.ts';

/** Shorter secrets are not masked: they occur in every text, which would become unreadable. */
const SHORTEST_NAMED = 4;

/** JSON that is nested deeper than this is replaced by a note, because it is not searched for secrets. */
const MAX_DEPTH = 500;

type Named = readonly [name: string, value: string];

export interface SecretStream {
  /** The masked text that is safe to emit now. It may be empty. */
  next(piece: string): string;
  /** The rest, at the end of the stream. */
  end(): string;
}

const MARK = '[secret ';
const mark = (name: string) => `${MARK}${name}]`;

/** Where a secret stands in a text. */
interface Found {
  from: number;
  to: number;
  name: string;
}

/**
 * Secrets by name, and masks for them. Mask a text before you cut it, because half a secret is not recognised. Secrets can be added at any
 * time; masks that were handed out before know them too.
 */
export class Secrets {
  /** Names by value, so that a secret that is added twice counts once. */
  readonly #names = new Map<string, string>();
  /** What finds each secret, by its value. One for all of them would take V8 seconds to compile where there are many. */
  readonly #finders = new Map<string, RegExp>();
  #marks: RegExp | undefined;
  #plain: readonly string[] | undefined;
  /** This object once it holds a secret. Undefined before, so that work is spared which only secrets need. */
  active: this | undefined;

  constructor(named: Iterable<Named> = []) {
    this.add(named);
  }

  add(named: Iterable<Named>): void {
    for (const [name, value] of named) {
      if (value.length < SHORTEST_NAMED || this.#names.has(value)) continue;
      this.#names.set(value, name);
      this.#marks = undefined;
      this.#plain = undefined;
      this.active = this;
    }
  }

  /** Masks a complete text: replaces every encoding of a secret by `[secret NAME]`. */
  readonly mask = (text: string): string => {
    if (!this.active) return text;
    if (!text.includes(MARK)) return this.#masked(text);
    // existing marks are not masked again, even if a short secret occurs in their name
    this.#marks ??= new RegExp(`(${[...new Set(this.#names.values())].map((name) => literal(mark(name))).join('|')})`);
    return text
      .split(this.#marks)
      .map((part, i) => (i % 2 === 1 ? part : this.#masked(part)))
      .join('');
  };

  /** A masked copy of plain JSON, including keys and numbers. */
  maskJson<T>(value: T): T {
    return this.active === undefined ? value : (this.#deep(value, MAX_DEPTH) as T);
  }

  /** A mask for streamed text. If a chunk ends with what may be the start of a secret, that part is held back until the next chunk. */
  stream(): SecretStream {
    let held = '';
    return {
      next: (piece) => {
        if (!this.active && held === '') return piece;
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

  /** Secrets may hold each other, or overlap: then all of it is replaced, under the name of the longest. */
  #masked(text: string): string {
    const found: Found[] = [];
    for (const [value, name] of this.#names) {
      const finder = this.#finderOf(value);
      finder.lastIndex = 0;
      for (let at = finder.exec(text); at; at = finder.exec(text)) found.push({ from: at.index, to: finder.lastIndex, name });
    }
    if (found.length === 0) return text;
    found.sort((a, b) => a.from - b.from || b.to - a.to);
    let [masked, end] = ['', 0];
    let longest: Found | undefined;
    const close = () => {
      if (longest) masked += mark(longest.name);
    };
    for (const one of found) {
      if (longest && one.from < end) {
        if (one.to - one.from > longest.to - longest.from) longest = one;
      } else {
        close();
        masked += text.slice(end, one.from);
        longest = one;
      }
      end = Math.max(end, one.to);
    }
    close();
    return masked + text.slice(end);
  }

  #finderOf(value: string): RegExp {
    const known = this.#finders.get(value);
    if (known) return known;
    const made = new RegExp(spellings(value), 'g');
    this.#finders.set(value, made);
    return made;
  }

  /** The number of characters at the end of a text that may be the start of a secret. */
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
      // keeps keys apart that have the same masked form
      for (let i = 2; Object.hasOwn(masked, name); i++) name = `${known} (${i})`;
      put(masked, name, this.#deep(item, depth - 1));
    }
    return masked;
  }

  /** Masks a number that equals a numeric secret. */
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
/** Words, numbers, versions, and words with a number: the elements of paths, URLs and locales. */
const PLAIN_WORD = /^(?:[A-Z]?[a-z]{0,15}\d{0,4}|[A-Z]{1,12}\d{0,4}|\d{1,8}[a-zA-Z]{0,2}|[a-z]{1,12}(?:[A-Z][a-z]{1,11})+)$/;
const SHORTEST = 6;

/** Whether a value does not look like a secret. A URL with user info may contain one. */
const isPlain = (value: string) => !/:\/\/[^/]*@/.test(value) && value.split(/[^a-zA-Z0-9]+/).every((word) => PLAIN_WORD.test(word));

/**
 * The secrets among settings for another program, such as environment variables or headers: values whose name suggests a secret, and values
 * of six or more characters that are not just words, numbers, paths or URLs. For `Bearer x` and `user:password`, each part counts.
 */
export function secretsIn(settings: { readonly [name: string]: string | undefined }): Named[] {
  return Object.entries(settings).flatMap(([name, value]): Named[] => {
    if (typeof value !== 'string' || value.length < SHORTEST_NAMED) return [];
    if (!SECRET_NAME.test(name) && (value.length < SHORTEST || isPlain(value))) return [];
    return [value, ...partsOf(value)].map((part) => [name, part] as const);
  });
}

/** The parts of a value that are secrets by themselves: after an authentication scheme, in the user info of a URL, in a cookie. */
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
