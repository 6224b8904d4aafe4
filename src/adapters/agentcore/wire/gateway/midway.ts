/** What an MCP server says in the middle of a call, passed on to the client of the gateway as it is: questions to its person, and log lines. */
import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../../../../json.ts';
import type { Elicited, Midway } from '../../../mcp/midway.ts';
import type { Shows } from '../../../mcp/server/elicit.ts';
import { RpcError } from '../../../mcp/server/offering.ts';
import { fieldsOf, type Rpc } from './rpc.ts';
import { eventOf, isStream, messagesIn } from './streaming.ts';
import { ELICITS } from './target-configuration.ts';

const ELICIT = 'elicitation/create';
const NO_METHOD = -32_601;

interface Open {
  answered(answer: Elicited): void;
  failed(error: Error): void;
}

/** The questions of one session that its client has not answered yet, by the ids that the gateway has given them. */
export class Questions {
  readonly #open = new Map<unknown, Open>();

  /** @param send puts the question before the client. @param signal of the call: with it, the question is over. */
  ask(params: JsonObject, send: (message: JsonObject) => void, signal: AbortSignal): Promise<Elicited> {
    const id = randomUUID();
    return new Promise<Elicited>((answered, failed) => {
      signal.throwIfAborted();
      signal.addEventListener('abort', () => failed(signal.reason as Error), { once: true });
      this.#open.set(id, { answered, failed });
      send({ jsonrpc: '2.0', id, method: ELICIT, params });
    }).finally(() => this.#open.delete(id));
  }

  /** Takes the answer of the client. @returns whether there is such a question. */
  answer({ id, result, error }: Rpc): boolean {
    const open = this.#open.get(id);
    if (!open) return false;
    const { code, message } = fieldsOf(error);
    if (error === undefined) open.answered(result as Elicited);
    else open.failed(new RpcError(typeof code === 'number' ? code : NO_METHOD, String(message)));
    return true;
  }
}

/** What the client of a session can be asked, and in which version. */
export interface Talking {
  readonly shows: Shows;
  readonly version: string;
  readonly questions: Questions;
}

/** A client that is not answered by a stream, which is told nothing on the way. */
export const SILENT: Midway = {
  ask: async () => {
    throw new RpcError(NO_METHOD, `Method not found: ${ELICIT}`);
  },
  log: () => undefined,
};

/** What is told on the way of one answer. */
export class Midstream {
  readonly midway: Midway;
  /** Aborted when the answer is over, or its client has left. */
  readonly #over = new AbortController();
  readonly #said: JsonObject[] = [];
  #heard = () => {};

  constructor({ shows, version, questions }: Talking, gone: AbortSignal) {
    const say = (message: JsonObject) => {
      this.#said.push(message);
      this.#heard();
    };
    this.midway = {
      ask: (params, signal) => {
        const shown = params.mode === 'url' ? shows.url && version >= ELICITS : shows.form;
        return shown ? questions.ask(params, say, AbortSignal.any([signal, this.#over.signal])) : SILENT.ask(params, signal);
      },
      log: (params) => say({ jsonrpc: '2.0', method: 'notifications/message', params }),
    };
    const left = () => this.#end();
    if (gone.aborted) left();
    else gone.addEventListener('abort', left, { once: true });
  }

  #end(): void {
    this.#over.abort(new Error('the call is over'));
    this.#heard();
  }

  /** The answer, with what is said before it is over. */
  within(response: Response): Response {
    if (!isStream(response) || response.body === null) return response;
    return new Response(ReadableStream.from(this.#merged(messagesIn(response.body as AsyncIterable<Uint8Array>))), response);
  }

  async *#merged(own: AsyncGenerator<JsonObject>): AsyncGenerator<Uint8Array> {
    // one that is not waited for any more may fail
    const following = () => {
      const next = own.next();
      next.catch(() => undefined);
      return next;
    };
    try {
      let next = following();
      while (!this.#over.signal.aborted) {
        const heard = new Promise<undefined>((resolve) => {
          this.#heard = () => resolve(undefined);
        });
        const said = this.#said.length > 0 ? undefined : await Promise.race([next, heard]);
        // what was said before the result is told before it
        for (const message of this.#said.splice(0)) yield eventOf(message);
        if (said === undefined) continue;
        if (said.done) return;
        yield eventOf(said.value);
        next = following();
      }
    } finally {
      this.#end();
      // it may wait for what never comes
      own.return(undefined).catch(() => undefined);
    }
  }
}
