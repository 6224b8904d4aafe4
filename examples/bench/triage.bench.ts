// rondo bench examples/bench/triage.bench.ts --html triage.html
import { Engine } from 'rondo';
import { type Benchmark, trajectory } from 'rondo/bench';
import { triage } from './desk.ts';
import { PRICES, standIn } from './model.ts';

/** Two configurations in the same rounds: what does a second search cost, and does it help? */
export default {
  name: 'triage',
  agent: triage,
  scenarios: [
    {
      name: 'a known incident',
      input: 'Ticket: my CSV export stops in the middle of the file.',
      checks: [({ output }) => String(output).includes('I-1')],
    },
    { name: 'a new problem', input: 'Ticket: the logo on my invoice is upside down.' },
  ],
  checks: [trajectory(['search_incidents', 'file_ticket'], { order: 'sequence' })],
  variants: { brief: { model: () => standIn() }, thorough: { model: () => standIn({ thorough: true }) } },
  engine: (options) => new Engine({ ...options, prices: PRICES }),
} satisfies Benchmark;
