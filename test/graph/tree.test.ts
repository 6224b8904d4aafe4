import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, append, Engine, graph, type RunEvent, supervisor, toMermaid } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { journals } from '../kit/journals.ts';
import { asks, ends } from '../kit/runs.ts';

const usage = { input: 10, output: 5 };
const leaf = (name: string) => agent({ name, description: name, instructions: '', model: scripted(() => ({ text: name, usage })) });

const report = () =>
  graph({
    name: 'report',
    description: 'writes reports',
    state: z.object({ topic: z.string(), notes: z.array(z.string()).default([]), round: z.number().default(0) }),
    reducers: { notes: append },
    nodes: {
      plan: (s) => ({ round: s.round + 1 }),
      web: { agent: leaf('research'), input: (s) => s.topic, output: (t) => ({ notes: [t] }) },
      'sign "off" [end]': { ask: () => 'Good?', answer: z.boolean(), output: (ok) => ({ topic: ok ? 'fine' : 'bad' }) },
      unused: () => {},
    },
    edges: {
      start: 'plan',
      plan: 'web',
      web: { to: ['plan', 'sign "off" [end]'], choose: (s) => (s.round < 2 ? 'plan' : 'sign "off" [end]') },
      'sign "off" [end]': (s) => (s.topic === 'fine' ? 'end' : 'unused'),
      unused: 'end',
    },
  });
const desk = () =>
  supervisor({
    name: 'desk',
    instructions: '',
    model: scripted([
      { ...(asks(['report', { topic: 'tides' }]) as object), usage },
      { text: 'done', usage },
    ]),
    agents: [report()],
  });

describe.each(journals)('the tree of a run on $name', ({ make }) => {
  test('says who did what, below whom, and what it used', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const events: RunEvent[] = [];
    const run = engine.run(desk(), 'go');
    for await (const event of run) events.push(event);
    const paused = await ends(run, 'paused');
    expect(paused.approvals).toMatchObject([{ question: 'Good?', path: ['desk', 'report'] }]);
    const { tree, state } = await engine.inspect(run.id);
    expect(state).toBeUndefined();
    expect(tree).toMatchObject({
      agent: 'desk',
      status: 'paused',
      steps: 3,
      usage: { input: 30, output: 15 },
      agents: [
        {
          agent: 'report',
          status: 'paused',
          steps: 2,
          usage: { input: 20 },
          nodes: [
            { name: 'plan', status: 'completed', runs: 2 },
            { name: 'web', status: 'completed', runs: 2 },
            { name: 'sign "off" [end]', status: 'waiting', runs: 0 },
          ],
          agents: [
            { agent: 'research', path: ['desk', 'report', 'research'], status: 'completed', steps: 1 },
            { agent: 'research', status: 'completed', steps: 1 },
          ],
        },
      ],
    });
    const told = events.flatMap((e) =>
      e.type === 'agent.started'
        ? [`> ${e.path.join('/')}`]
        : e.type === 'node.finished'
          ? [`${e.node} ${e.outcome.ok && e.outcome.changed}`]
          : [],
    );
    expect(told).toEqual([
      '> desk/report',
      'plan round',
      '> desk/report/research',
      'web notes',
      'plan round',
      '> desk/report/research',
      'web notes',
    ]);
    expect(events.flatMap((e) => (e.type === 'tool.started' || e.type === 'tool.finished' ? [e.tool] : []))).toEqual(['report']);
  });

  test('is drawn on its graph', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const run = engine.run(desk(), 'go');
    await ends(run, 'paused');
    const drawing = toMermaid(report(), await engine.inspect(run.id));
    expect(drawing).toBe(`flowchart TD
  start_(["start"])
  n0["plan × 2"]
  class n0 completed
  n1[["web × 2: research"]]
  class n1 completed
  n2{{"sign #34;off#34; [end]: asks a person"}}
  class n2 waiting
  n3["unused"]
  end_(["end"])
  start_ --> n0
  n0 --> n1
  n1 -.-> n0
  n1 -.-> n2
  n2 -.-> n2_any{{?}}
  n3 --> end_
  classDef completed fill:#d3f2d8,stroke:#2b8a3e,color:#000
  classDef active fill:#d0e4ff,stroke:#1864ab,color:#000
  classDef waiting fill:#fff3bf,stroke:#e67700,color:#000
  classDef failed fill:#ffd8d8,stroke:#c92a2a,color:#000
`);
  });
});
