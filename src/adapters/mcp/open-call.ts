/** A call that is under way, and the questions of the server in the middle of it. */

import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { type NeedsPerson, ToolError } from '../../errors.ts';
import { type JsonObject, put } from '../../json.ts';
import type { Effect, ToolContext } from '../../ports/tool.ts';
import { type Answering, type InputRequired, isInputRequired } from './dialect.ts';
import { answeredAtOnce, asks, isQuestions, keyOf, type Left, leftBy, questionOf } from './elicitation.ts';
import type { Elicited, Midway } from './midway.ts';
import { badResult } from './result.ts';

/** Most times that a server may answer a call with questions before a person is asked again. */
const MOST_ROUNDS = 10;
const METHOD = 'elicitation/create';

export interface Calling {
  server: string;
  /** The server's name for it. */
  tool: string;
  effect: Effect;
  ctx: ToolContext;
  answering: Answering | undefined;
  midway?: Midway | undefined;
}

export class OpenCall {
  readonly ctx: ToolContext;
  readonly began = performance.now();
  /** Aborted if the call is given up, also because a person must be asked. */
  readonly stop = new AbortController();
  /** A person must be asked; the call is made again with the answer. */
  asks: NeedsPerson | undefined;
  readonly #o: Calling;
  #left: Left | undefined;

  constructor(o: Calling) {
    this.#o = o;
    this.ctx = o.ctx;
    this.#left = leftBy(o.ctx);
  }

  logged(line: JsonObject): void {
    const { midway } = this.#o;
    if (midway) midway.log(line);
    else this.ctx.progress(line);
  }

  /**
   * 2025-11-25: the server asks, and keeps the call open for the answer. A person may take days, so the call is given up and made again then. That would repeat
   * what a `once` tool has done so far: its question is cancelled.
   */
  async elicited(params: JsonObject): Promise<Elicited> {
    const { tool, server, effect, midway } = this.#o;
    if (midway) return midway.ask(params, this.stop.signal);
    const key = keyOf(params);
    const known = this.#left?.answers[key];
    if (known) return known;
    const atOnce = await answeredAtOnce(this.#o.answering, tool, params, this.stop.signal);
    if (atOnce) return atOnce;
    const question = effect === 'once' ? undefined : questionOf(params, server);
    if (!question) return { action: 'cancel' };
    this.asks ??= asks(question, { answers: { ...this.#left?.answers }, pending: key, questions: { [key]: { method: METHOD, params } } });
    this.stop.abort(this.asks);
    return { action: 'cancel' };
  }

  /** 2026-07-28: the server ends the call with its questions. @param send makes the call, with the answers that there are. */
  async answered(send: (more: JsonObject) => Promise<CallToolResult | InputRequired>): Promise<CallToolResult> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const { next, answers } = this.#left ?? {};
      if (next) await this.#complete();
      const answer = await send(next ? { inputResponses: { ...answers }, ...next } : {});
      if (!isInputRequired(answer)) return answer;
      const { inputRequests = {}, requestState } = answer;
      if (!isQuestions(inputRequests) || typeof (requestState ?? '') !== 'string')
        throw badResult('with questions whose shape MCP does not have');
      this.#left = {
        answers: {},
        pending: '',
        questions: Object.fromEntries(Object.entries(inputRequests).map(([name, { method, params }]) => [name, { method, params }])),
        next: requestState === undefined ? {} : { requestState },
      };
      await this.#complete();
    }
    throw new ToolError('MCP_ASKS_AGAIN', `MCP server "${this.#o.server}" asked for more ${MOST_ROUNDS} times in a row.`, {
      outcome: 'unknown',
    });
  }

  /** Answers all questions that can be answered here. @throws NeedsPerson for the first that cannot. */
  async #complete(): Promise<void> {
    const { tool, server, answering, midway } = this.#o;
    const left = this.#left as Left;
    for (const [key, { method, params = {} }] of Object.entries(left.questions)) {
      if (Object.hasOwn(left.answers, key)) continue;
      if (method !== METHOD)
        throw new ToolError(
          'MCP_ASKS_TOO_MUCH',
          `MCP server "${server}" wants "${method}" of its client, which is not given: ${tool} was not done.`,
          {
            outcome: 'not-run',
          },
        );
      const { signal } = this.stop;
      const atOnce = await (midway ? midway.ask(params, signal) : answeredAtOnce(answering, tool, params, signal));
      const question = atOnce ? undefined : questionOf(params, server);
      if (question) throw asks(question, { ...left, pending: key });
      put(left.answers, key, atOnce ?? { action: 'decline' });
    }
  }
}
