import { type Approval, type Decision, Engine, type Principal, RondoError, type RunEvent, type RunResult } from '../../src/index.ts';
import { passing } from './clock.ts';
import { PRICES, type Scene } from './scene.ts';
import type { Answer } from './script.ts';
import type { Tape } from './tape.ts';

export const RUN = 'r';
const ANA: Principal = { id: 'ana' };
const LEAD: Principal = { id: 'ben', roles: ['lead'] };
const STRANGER: Principal = { id: 'eve', roles: ['intern'] };
const UNLIMITED = { steps: 1_000, toolCalls: 1_000, costUsd: 1_000, tokens: 1e9, time: 1e9 };

export interface Played {
  result: RunResult;
  /** Events as they were told, of the engine that drove. */
  events: RunEvent[];
  /** What people were told who decided wrongly or too late. */
  refusals: string[];
  /** Errors with which a drive rejected. */
  rejected: string[];
}

/** Plays a script on a journal to the run's end, whatever state the run is in. */
export async function play(scene: Scene, tape: Tape): Promise<Played> {
  const { script } = scene;
  const played: Played = { result: undefined as never, events: [], refusals: [], rejected: [] };
  const engine = new Engine({
    journal: tape,
    agents: [scene.agent],
    prices: PRICES,
    onEvent: (event) => void played.events.push(JSON.parse(JSON.stringify(event))),
  });
  // a second process, which drives nothing
  const beside = new Engine({ journal: tape, agents: [scene.agent], prices: PRICES });
  const people = new People(beside, script.answers, played.refusals);
  const timers = script.eager.map((ms) => setTimeout(() => void people.answer(), ms));
  if (script.cancelAt !== undefined)
    timers.push(setTimeout(() => void people.note(beside.cancel(RUN, { reason: 'enough' })), script.cancelAt));
  // a run that stops at a limit is resumed with higher ones
  let stops = 0;
  try {
    for (let turns = 0; ; turns++) {
      if (turns > 200)
        throw new Error(`the run does not come to an end: ${JSON.stringify(played.result)} ${played.rejected} ${played.refusals}`);
      const result = await drive();
      if (!result) continue;
      played.result = result;
      if (result.status === 'stopped' && stops < 3 && result.limit.name !== 'journal') stops++;
      else if (result.status === 'paused') await passing(people.answer(turns > 40), 'people');
      else return played;
    }
  } finally {
    for (const timer of timers) clearTimeout(timer);
    await passing(engine.close(), 'close');
    await passing(beside.close(), 'close');
  }

  /** One drive; undefined where it was turned away because somebody else cancels the run just then, or the store was full. */
  async function drive(): Promise<RunResult | undefined> {
    const exists = tape.entries(RUN).length > 0;
    const resumed = { ...(stops > 0 && { limits: UNLIMITED }) };
    const run = exists ? engine.resume(RUN, resumed) : engine.run(scene.agent, 'go', { id: RUN, by: ANA });
    if (script.stream) void reading(run);
    try {
      return await passing(run, 'the run');
    } catch (error) {
      if (!RondoError.is(error)) throw error;
      played.rejected.push(error.code);
      // the one that is told so tries again a little later
      await passing(new Promise<void>((resolve) => setTimeout(resolve, 100)), 'a pause');
      return undefined;
    }
  }
}

async function reading(events: AsyncIterable<RunEvent>): Promise<void> {
  try {
    for await (const event of events) void event;
  } catch {
    // the run's own rejection says so too
  }
}

export class People {
  readonly #engine: Engine;
  readonly #answers: readonly Answer[];
  readonly #refusals: string[];
  #next = 0;

  constructor(engine: Engine, answers: readonly Answer[], refusals: string[]) {
    this.#engine = engine;
    this.#answers = answers;
    this.#refusals = refusals;
  }

  /** Takes note of a refusal; anything but an error of ours ends the test. */
  async note(attempt: Promise<unknown>): Promise<void> {
    try {
      await attempt;
    } catch (error) {
      if (!RondoError.is(error)) throw error;
      this.#refusals.push(error.code);
    }
  }

  /** Answers what is open, each approval in the way that is next. `plainly`: yes to everything. */
  async answer(plainly = false): Promise<void> {
    let open: readonly Approval[] = [];
    await this.note(
      this.#engine.inspect(RUN).then(({ approvals }) => {
        open = approvals;
      }),
    );
    for (const approval of open) {
      const how = plainly ? 'approve' : (this.#answers[this.#next++ % this.#answers.length] as Answer);
      await this.#take(approval, how);
    }
  }

  async #take(approval: Approval, how: Answer): Promise<void> {
    const decide = (decision: Decision, by = LEAD) => this.note(this.#engine.decide(RUN, [decision], { by }));
    const id = approval.id;
    const yes: Decision =
      approval.kind === 'question' ? { approval: id, type: 'respond', answer: 'so be it' } : { approval: id, type: 'approve' };
    const no: Decision = { approval: id, type: 'reject', reason: 'no' };
    switch (how) {
      case 'edit':
        // of a tool that reads `n`; the sign tells the edited arguments apart
        return decide(approval.kind === 'tool' ? { approval: id, type: 'edit', input: { n: -(approval.input as { n: number }).n } } : yes);
      case 'bad-edit':
        await decide({ approval: id, type: 'edit', input: { n: 'many' } });
        return decide(yes);
      case 'reject':
        return decide(no);
      case 'respond':
        await decide({ approval: id, type: 'respond', answer: 42 });
        return decide(yes);
      case 'twice':
        await decide(yes);
        return decide(yes);
      case 'race':
        await Promise.all([decide(yes), decide(no), decide(no, STRANGER)]);
        return decide(yes);
      case 'stranger':
        await decide({ ...yes, approval: 'ap_of_another_run' });
        await decide(yes, STRANGER);
        await decide(yes, ANA);
        return decide(yes);
      case 'expire':
      case 'too-late':
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        return how === 'expire' ? undefined : decide(yes);
      case 'no-one':
        return;
      default:
        return decide(yes);
    }
  }
}
