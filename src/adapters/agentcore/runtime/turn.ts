/** A turn as a caller writes it. */
import type { Engine } from '../../../engine/engine.ts';
import { RondoError } from '../../../errors.ts';
import type { Decision, Limits } from '../../../journal/entries/entries.ts';
import type { Json } from '../../../json.ts';
import type { Agent } from '../../../loop/types.ts';
import type { Principal } from '../../../ports/principal.ts';
import { HttpError } from '../../../server/errors.ts';
import { type TakenTurn, takeTurn } from '../../../server/turns.ts';
import { type Asked, type Invocation, within } from './invocation.ts';

/** What turns are taken with. */
export interface Turns {
  readonly engine: Engine;
  readonly agent: Agent;
  readonly sessions: 'own' | 'tenant';
  readonly limits: Limits | undefined;
  readonly context: ((by: Principal, invocation: Invocation) => Json) | undefined;
  readonly owners: Owners;
}

export interface TurnBody {
  readonly input?: Json | undefined;
  readonly decisions?: readonly Decision[] | undefined;
  readonly requestId?: string | undefined;
}

const FIELDS = ['input', 'prompt', 'decisions', 'requestId'];
const SHAPE =
  'The body is { "input" }, or { "decisions": [{ "approval", "type" }] }, with "requestId" for a repeat. "prompt" is another name of input.';

/** Other fields are refused: a misspelt one would be ignored, and `by` comes from authentication only. @throws HttpError 400. */
export function turnBody(body: Json): TurnBody {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new HttpError(400, SHAPE);
  const { input, prompt, decisions, requestId } = body as { readonly [field: string]: Json | undefined };
  const other = Object.keys(body).find((name) => !FIELDS.includes(name));
  if (other !== undefined) throw new HttpError(400, `The body has the field "${other.slice(0, 100)}". ${SHAPE}`);
  if (input !== undefined && prompt !== undefined) throw new HttpError(400, `The body has input and prompt. ${SHAPE}`);
  if (decisions !== undefined && !Array.isArray(decisions)) throw new HttpError(400, `decisions is a list. ${SHAPE}`);
  if (requestId !== undefined && typeof requestId !== 'string') throw new HttpError(400, `requestId is a text. ${SHAPE}`);
  return { input: input ?? prompt, decisions: decisions as readonly Decision[] | undefined, requestId };
}

/** @param followed whether the events are read. @throws RondoError `NOT_PERMITTED` for input to a session of another user, and as `takeTurn`. */
export async function take(
  { engine, agent, sessions, limits, context, owners }: Turns,
  asked: Asked,
  body: TurnBody,
  followed = true,
): Promise<TakenTurn> {
  const { by, assertion, invocation } = asked;
  const { session: id } = invocation;
  const isInput = body.input !== undefined;
  if (isInput) owners.check(id, by, sessions);
  const session = sessions === 'tenant' ? { id, shared: true } : id;
  const turn = await within(asked, () =>
    takeTurn(engine, agent, { session, by, assertion, ...body, limits, context: context?.(by, invocation), followed }),
  );
  if (isInput) owners.add(id, by);
  return turn;
}

/** Sessions that a process remembers the owner of. In a container it has one. */
const MOST = 10_000;

/** Whose a session is while this process lives: the one who said something in it first. Conversations in the journal are kept apart in any case. */
export class Owners {
  readonly #of = new Map<string, Pick<Principal, 'id' | 'tenant'>>();

  /** @throws RondoError `NOT_PERMITTED`. */
  check(session: string, by: Principal, sessions: 'own' | 'tenant'): void {
    const known = this.#of.get(session);
    if (known && (known.tenant !== by.tenant || (sessions === 'own' && known.id !== by.id)))
      throw new RondoError('NOT_PERMITTED', 'This session is of another user. Begin one with a new session id.');
  }

  /** Of a turn that was taken: input that is refused must not keep others out. */
  add(session: string, by: Principal): void {
    if (this.#of.has(session)) return;
    this.#of.set(session, by);
    if (this.#of.size <= MOST) return;
    const [oldest] = this.#of.keys();
    if (oldest !== undefined) this.#of.delete(oldest);
  }
}
