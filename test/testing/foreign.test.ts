import { describe, expect, test } from 'vitest';
import { foreignAgent, ToolError, type TurnContext, type TurnResult } from '../../src/index.ts';
import { type ForeignScript, type ForeignUnderTest, foreignCases } from '../../src/testing/foreign.ts';
import { foreignOnJournals } from '../foreign/on-journals.ts';

type State = { open: { id: string; to: string }[]; sent: string[] };

/** How an adapter may be wrong. */
interface Faults {
  repeats?: boolean;
  hidesFailures?: boolean;
  ignoresSignal?: boolean;
  ignoresRejections?: boolean;
  countsTwice?: boolean;
  forgetsKey?: boolean;
  forgetsEffect?: boolean;
  inOnePiece?: boolean;
  goesOnEarly?: boolean;
}

/** A framework as small as it can be, with its adapter. */
function clerk({ said, onMail, ...options }: ForeignScript, faults: Faults = {}): ForeignUnderTest {
  const left = [...said];
  let asked = 0;
  const { key, intent, remember, effect, ...rest } = options;
  const kept = {
    ...rest,
    ...(effect && !faults.forgetsEffect && { effect }),
    ...(key && !faults.forgetsKey && { key, ...(intent !== undefined && { intent }), ...(remember !== undefined && { remember }) }),
  };
  const work = async (ctx: TurnContext, sent: string[]): Promise<TurnResult<string, State>> => {
    for (let calls = 1; ; calls++) {
      asked++;
      const times = faults.countsTwice ? 2 * calls : calls;
      const usage = { input: 6 * times, output: 5 * times, cacheRead: 4 * times };
      const next = left.shift();
      if (next instanceof Error && faults.hidesFailures) return { status: 'completed', output: '', usage };
      if (next instanceof Error) throw new ToolError('FRAMEWORK_FAILED', next.message, { outcome: 'unknown' });
      if (next === undefined || typeof next === 'string') {
        for (const word of faults.inOnePiece ? [next ?? ''] : (next ?? '').split(/(?<= )/)) ctx.emit?.({ type: 'text', text: word });
        return { status: 'completed', output: next ?? '', usage };
      }
      const open = next.map(({ id, input }) => ({ id, to: input.to })).filter(({ to }) => to !== 'ana');
      for (const { input } of next) {
        if (input.to !== 'ana') continue;
        sent.push(input.to);
        await onMail(input.to, faults.ignoresSignal ? undefined : ctx.signal);
      }
      const [first, ...others] = open.map(({ id, to }) => ({ id, kind: 'tool' as const, tool: 'mail', input: { to } }));
      if (first && !faults.goesOnEarly) return { status: 'paused', state: { open, sent }, asks: [first, ...others], usage };
    }
  };
  const agent = foreignAgent<string, State>({
    name: 'clerk',
    description: 'Writes mail',
    ...kept,
    async turn(turn, ctx) {
      if (turn.type === 'start') return work(ctx, []);
      if (faults.repeats) for (const to of turn.state.sent) await onMail(to, ctx.signal);
      for (const { id, to } of turn.state.open) {
        const answer = turn.answers.find((one) => one.id === id)?.decision.type;
        if (answer === 'approve' || faults.ignoresRejections) await onMail(to, ctx.signal);
      }
      return work(ctx, turn.state.sent);
    },
  });
  return { agent, asked: () => asked };
}

describe('passes an adapter that keeps the contract', () => {
  foreignOnJournals((script) => clerk(script));
});

async function failures(faults: Faults, streams?: boolean): Promise<string[]> {
  const found: string[] = [];
  for (const { name, run } of foreignCases((script) => clerk(script, faults), streams === undefined ? {} : { streams })) {
    // it would wait for a signal that never comes
    if (faults.ignoresSignal && !name.startsWith('cancelling')) continue;
    await run().catch(() => found.push(name));
  }
  return found;
}

describe('fails an adapter that', () => {
  test.each<[string, Faults, RegExp]>([
    ['repeats what ran before a pause', { repeats: true }, /nothing is repeated/],
    ['calls a failure an empty answer', { hidesFailures: true }, /its failure is an observation/],
    ['passes its tools no signal', { ignoresSignal: true }, /cancelling the run/],
    ['runs what was rejected', { ignoresRejections: true }, /nothing is repeated/],
    ['counts its usage twice', { countsTwice: true }, /nothing is repeated/],
    ['drops the key', { forgetsKey: true }, /with a key/],
    ['drops the effect', { forgetsEffect: true }, /effect idempotent/],
    ['says all at once', { inOnePiece: true }, /what it says while it works/],
    ['asks no person', { goesOnEarly: true }, /its approvals are those of the run/],
  ])('%s', async (_, faults, broken) => {
    expect(await failures(faults)).toContainEqual(expect.stringMatching(broken));
  });

  test('says all at once, unless it says that it does not stream', async () => {
    expect(await failures({ inOnePiece: true }, false)).toEqual([]);
  });
});
