/** A tool turn whose texts local guardrails check, beside the same turn without. */
import { patternGuardrail, piiGuardrail } from '../../src/adapters/guardrails/index.ts';
import { agent, Engine, type Guardrail, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/index.ts';
import { type Contender, interleave, ratio, spread, timesOf } from '../harness.ts';
import type { Scenario } from '../result.ts';

const TURNS = 50;
const BARE = 'without guardrails';
const INPUT = 'personal data, of the input';
const OUTPUT = 'personal data, of answers';
const ALL = 'personal data and patterns, of input, answers and results';

/** About 400 characters, with an address to mask. */
const TEXT = `${'The order was packed on Tuesday and has left with the courier. '.repeat(6)}Write to ana@example.com.`;

/** Runs of so many turns, in which the model and the tool say a text. */
function turns(name: string, guardrails: readonly Guardrail[]): Contender {
  const look = tool({ name: 'look', description: 'looks', input: { type: 'object' }, effect: 'read', execute: () => TEXT });
  const model = scripted(({ messages }) => (messages.length > 2 * TURNS ? TEXT : { text: TEXT, toolCalls: [{ name: 'look', input: {} }] }));
  const engine = new Engine({ journal: memoryJournal(), guardrails });
  const own = agent({ name: 'own', instructions: '', model, tools: [look], limits: { steps: TURNS + 2 } });
  return {
    name,
    prepare: () => ({
      units: TURNS,
      async run() {
        const result = await engine.run(own, TEXT);
        if (result.status !== 'completed') throw new Error(`${name} ended ${result.status}`);
        const masks = name === OUTPUT || name === ALL;
        if (result.output.includes('ana@example.com') === masks) throw new Error(`${name} answered ${result.output}`);
      },
    }),
    close: () => engine.close(),
  };
}

export const guarding: Scenario = async ({ quick }) => {
  const rounds = quick ? { rounds: 2, warmUp: 1 } : { rounds: 25, warmUp: 5, longest: 20_000 };
  const patterns = patternGuardrail({ patterns: [{ name: 'ORDER', pattern: /\bord-\d{6}\b/i }] });
  const times = await interleave(
    [
      turns(BARE, []),
      turns(INPUT, [piiGuardrail({ points: ['input'] })]),
      turns(OUTPUT, [piiGuardrail({ points: ['output'] })]),
      turns(ALL, [piiGuardrail({}), patterns]),
    ],
    rounds,
  );
  return {
    tables: [
      {
        title: 'A tool turn with local guardrails',
        unit: 'µs',
        columns: [`a turn of ${TURNS}`, 'beside one without'],
        rows: [...times.keys()].map((name) => ({ name, cells: [spread(timesOf(times, name)), ratio(times, name, BARE)] })),
      },
    ],
    targets: [],
  };
};
