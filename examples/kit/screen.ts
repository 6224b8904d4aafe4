import type { Readable } from 'node:stream';
import { oneLine, paragraphs } from './safe.ts';

/** Where the job talks to a person. Injected, so that tests can replace it. */
export interface Terminal {
  input: Readable & { isTTY?: boolean };
  output: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  env: { readonly [name: string]: string | undefined };
}

const SPINNER = ['|', '/', '-', '\\'];

/** Lines are only appended. A terminal has one more line, updated in place, that shows the current activity. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #lively: boolean;
  readonly #colour: boolean;
  #status: (() => string) | undefined;
  #shown = false;
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    const { env, output } = terminal;
    this.#lively = output.isTTY === true && env.TERM !== 'dumb' && env.CI === undefined;
    this.#colour = output.isTTY === true && env.TERM !== 'dumb' && !env.NO_COLOR;
  }

  get width(): number {
    return Math.max(60, Math.min(this.#terminal.output.columns || 80, 160));
  }

  /** Prose is wrapped between words on a terminal; a file gets whole lines. */
  prose(text: string): void {
    const width = this.#terminal.output.isTTY ? this.width : Number.POSITIVE_INFINITY;
    for (const line of paragraphs(text, width)) this.line(line);
  }

  line(text = ''): void {
    this.#clear();
    this.#terminal.output.write(`${this.#paint(text.trimEnd())}\n`);
    this.#draw();
  }

  /** Shows the current activity until the next call. Does nothing without a terminal. */
  status(say: (() => string) | undefined): void {
    this.#clear();
    this.#status = say;
    if (!say) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else if (this.#lively && !this.#timer) this.#timer = setInterval(() => this.#draw(), 120).unref();
  }

  #draw(): void {
    if (!this.#lively || !this.#status) return;
    this.#terminal.output.write(`\r\u001b[2K${SPINNER[this.#turn++ % SPINNER.length]} ${oneLine(this.#status(), this.width - 3)}`);
    this.#shown = true;
  }

  #clear(): void {
    if (this.#shown) this.#terminal.output.write('\r\u001b[2K');
    this.#shown = false;
  }

  /** Colour only repeats what the words say. */
  #paint(line: string): string {
    if (!this.#colour) return line;
    return line
      .replace(/^(OFFLINE STAND-IN|COMPLETED|PAUSED|STOPPED|FAILED|CANCELLED)/, '\u001b[1m$1\u001b[22m')
      .replace(/ {2}FAIL( +[\d,.]+ m?s)?$/, '\u001b[31m$&\u001b[39m')
      .replace(/ {2}ok( +[\d,.]+ m?s)?$/, '\u001b[32m$&\u001b[39m')
      .replace(/ {2}ASK$/, '\u001b[33m$&\u001b[39m');
  }
}

/** Of a line with something on its right, where the terminal has room for it. */
const LINE = 79;

/** How much fits on the left of `right`. */
export const room = (right: string, width: number) => Math.min(LINE, width) - 1 - right.length;

/** `left`, and `right` at the end of the line. */
export function columns(left: string, right: string, width: number): string {
  return right ? `${left.padEnd(room(right, width))} ${right}` : left;
}

export const number = (n: number) => n.toLocaleString('en-US');
export const seconds = (ms: number) => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);
export const dollars = (usd: number | undefined) =>
  usd === undefined ? '$?' : usd === 0 ? '$0' : usd < 0.01 ? `$${usd.toFixed(5)}` : `$${usd.toFixed(3)}`;
