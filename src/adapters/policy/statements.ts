/** Splits the text of policies, and refuses what would overflow the stack of Cedar's engine, which ends the engine for the whole process. */

/** One policy of a text. */
export interface Statement {
  readonly text: string;
  /** Where it begins in the whole text. */
  readonly start: number;
  /** The same, about all actions. */
  readonly anyAction: string;
}

/** What is wrong at a place of the whole text. */
export interface Fault {
  readonly at: number;
  readonly message: string;
}

/**
 * The engine overflows at 128 brackets within each other, and at about 350 operators in a row. What a policy nests adds up, so together these
 * are well below.
 */
const MOST = { characters: 10_000, brackets: 30, arithmetic: 40, ifs: 30, chained: 40, logical: 300 };
/** Accesses in a row that count as nothing: `context.input.address.city`. */
const SHORT_CHAIN = 4;

const TOKEN = /\s+|\/\/[^\n]*|"(?:\\.|[^"\\])*"?|[A-Za-z_]\w*|\d+|::|&&|\|\||./gsy;

/** @returns the policies of a text in order, and the first fault of each. What is not Cedar at all is left to the engine. */
export function statementsOf(source: string): { statements: Statement[]; faults: Fault[] } {
  const statements: Statement[] = [];
  const faults: Fault[] = [];
  let one = new Counted();
  for (const { 0: token, index } of source.matchAll(TOKEN)) {
    if (/^(\s|\/\/)/.test(token)) continue;
    const fault = one.next(token, index);
    if (fault !== undefined) faults.push({ at: index, message: fault });
    // a text without an end is one policy, which the engine refuses
    if (token !== ';' || one.depth > 0) continue;
    statements.push(one.statement(source, index + 1));
    one = new Counted();
  }
  if (one.start !== undefined) statements.push(one.statement(source, source.length));
  return { statements, faults };
}

/** What is counted of a policy, token by token. */
class Counted {
  start: number | undefined;
  depth = 0;
  #deepest = 0;
  #arithmetic = 0;
  #ifs = 0;
  #logical = 0;
  #chained = 0;
  /** The accesses in a row so far, within each of the open brackets. */
  readonly #chains: number[] = [0];
  #before = '';
  #earlier = '';
  /** Where the parts of the head end: `(principal, action, resource)`. */
  readonly #head: number[] = [];
  #inHead = false;
  #told = false;

  /** @returns the fault of the policy at this token; only the first one. */
  next(token: string, index: number): string | undefined {
    this.start ??= index;
    this.#part(token, index);
    const fault = this.#temporal(token) ?? this.#count(token, index - this.start);
    this.#earlier = this.#before;
    this.#before = token;
    if (fault === undefined || this.#told) return undefined;
    this.#told = true;
    return fault;
  }

  statement(source: string, end: number): Statement {
    const { start = 0 } = this;
    const text = source.slice(start, end);
    const [, from, to] = this.#head;
    const anyAction = from === undefined || to === undefined ? text : `${source.slice(start, from + 1)} action${source.slice(to, end)}`;
    return { text, start, anyAction };
  }

  #part(token: string, index: number): void {
    // an annotation may have any name: @permit("...")
    if (token === '(' && /^(permit|forbid)$/.test(this.#before) && this.#earlier !== '@' && this.#head.length === 0) {
      this.#inHead = true;
      this.#head.push(index);
    } else if (this.#inHead && this.depth === 1 && token === ',') this.#head.push(index);
    else if (token === ')' && this.depth === 1) this.#inHead = false;
  }

  #temporal(token: string): string | undefined {
    return token === 'temporal' && /^(when|unless)$/.test(this.#before)
      ? 'temporal policies are not supported: their language is not Cedar, and no engine for it is published. Write the condition on the call alone'
      : undefined;
  }

  #count(token: string, length: number): string | undefined {
    if (/^[)\]}]$/.test(token)) {
      this.depth = Math.max(0, this.depth - 1);
      if (this.#chains.length > 1) this.#chains.pop();
    } else if (/^[([{]$/.test(token)) {
      if (token === '[' && /^[\w"\])]/.test(this.#before) && !/^(in|has|like|if|then|else)$/.test(this.#before)) this.#access();
      this.#chains.push(0);
      this.#deepest = Math.max(this.#deepest, ++this.depth);
    } else if (token === '.' || token === '::') this.#access();
    else {
      if (!/^[\w"]/.test(token)) this.#chains[this.#chains.length - 1] = 0;
      if (/^[-+*!]$/.test(token)) this.#arithmetic++;
      else if (token === 'if') this.#ifs++;
      else if (token === '&&' || token === '||') this.#logical++;
    }
    const { characters, brackets, arithmetic, ifs, chained, logical } = MOST;
    if (length > characters) return `it has more than ${characters.toLocaleString('en-US')} characters; write several policies`;
    if (this.#deepest > brackets) return `it has more than ${brackets} brackets within each other`;
    if (this.#arithmetic > arithmetic) return `it has more than ${arithmetic} of the operators + - * !`;
    if (this.#ifs > ifs) return `it has more than ${ifs} times "if"`;
    if (this.#chained > chained) return 'it has too many accesses in a row, such as a.b.c.d.e';
    if (this.#logical > logical) return `it has more than ${logical} of the operators && and ||; write several policies`;
    return undefined;
  }

  #access(): void {
    const last = this.#chains.length - 1;
    const chain = (this.#chains[last] ?? 0) + 1;
    this.#chains[last] = chain;
    if (chain > SHORT_CHAIN) this.#chained++;
  }
}
