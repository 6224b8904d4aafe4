import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, graph, RondoError, toMermaid } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends } from '../kit/runs.ts';

const nothing = () => {};
const fails = (message: string) => (): never => {
  throw new Error(message);
};
const leaf = agent({ name: 'leaf', instructions: '', model: scripted(['x']) });
type Loose = Parameters<typeof graph>[0];
const declare = (o: object) =>
  graph({
    name: 'g',
    state: z.object({ a: z.string().default('') }),
    nodes: { a: nothing, b: nothing },
    edges: { start: 'a', a: 'b', b: 'end' },
    ...o,
  } as unknown as Loose);

describe('a graph that cannot work is refused where it is declared:', () => {
  test.each<[string, object, string]>([
    ['an edge to no node', { edges: { start: 'a', a: 'c', b: 'end' } }, 'leads to "c", which is not a node. There are a, b'],
    ['an edge from no node', { edges: { start: 'a', a: 'b', b: 'end', c: 'end' } }, 'an edge from "c"'],
    ['no start', { edges: { a: 'b', b: 'end' } }, '"start" has no edge. Say where it leads: edges: { start: \'a\' }'],
    ['a node without an edge', { edges: { start: 'a', a: 'b' } }, '"b" has no edge'],
    ['nodes that nothing leads to', { edges: { start: 'a', a: 'end', b: 'end' } }, 'no edge leads to "b"'],
    ['a loop without a way out', { edges: { start: 'a', a: 'b', b: 'a' } }, 'from "a", "b" no way leads to the end'],
    [
      'a join that never completes',
      { nodes: { a: nothing, b: nothing, join: nothing }, edges: { start: ['a', 'b'], a: 'join', b: 'b', join: 'end' } },
      'from "b" no way leads to the end',
    ],
    ['an empty list of targets', { edges: { start: [], a: 'b', b: 'end' } }, 'the edge from "start"'],
    ['a choice without targets', { edges: { start: { to: [], choose: () => 'a' }, a: 'b', b: 'end' } }, 'the edge from "start"'],
    ['a choice without a function', { edges: { start: { to: ['a'] }, a: 'b', b: 'end' } }, 'the edge from "start"'],
    ['a number for an edge', { edges: { start: 1, a: 'b', b: 'end' } }, 'the edge from "start"'],
    ['no nodes', { nodes: {} }, 'has no nodes'],
    ['no edges', { edges: undefined }, 'has no edges'],
    ['no name', { name: '' }, 'needs a name'],
    ['a node named end', { nodes: { end: nothing }, edges: { start: 'end', end: 'end' } }, 'has a name that is taken'],
    ['a node that is nothing', { nodes: { a: {}, b: nothing } }, 'neither a function'],
    ['an agent without input', { nodes: { a: { agent: leaf, output: nothing }, b: nothing } }, 'no input function'],
    ['an agent without output', { nodes: { a: { agent: leaf, input: () => 'x' }, b: nothing } }, 'no output function'],
    ['an agent that is none', { nodes: { a: { agent: {}, input: () => 'x', output: nothing }, b: nothing } }, 'neither a function'],
    ['a question without a schema', { nodes: { a: { ask: () => '', output: nothing }, b: nothing } }, 'schema'],
    [
      'a question that expires at once',
      { nodes: { a: { ask: () => '', answer: z.string(), expires: 0, output: nothing }, b: nothing } },
      'expires',
    ],
    [
      'a reason that is not a text',
      { nodes: { a: { ask: () => '', answer: z.string(), reason: 7, output: nothing }, b: nothing } },
      'reason',
    ],
    ['a question for no one', { nodes: { a: { ask: () => '', answer: z.string(), roles: [], output: nothing }, b: nothing } }, 'roles'],
    ['a state that is not an object', { state: z.string() }, 'must be an object schema'],
    ['a state without a schema', { state: {} }, 'schema'],
    ['a reducer that is none', { reducers: { a: 'append' } }, 'the reducer of "a"'],
    ['a limit that is none', { limits: { step: 3 } }, 'no limit "step"'],
    ['a parallel that is none', { parallel: 0 }, 'parallel'],
  ])('%s', (_, o, message) => {
    let thrown: unknown;
    try {
      declare(o);
    } catch (error) {
      thrown = error;
    }
    expect(RondoError.is(thrown, 'CONFIG_INVALID'), String(thrown)).toBe(true);
    expect((thrown as Error).message).toContain(message);
  });

  test('similar shapes that work are accepted', () => {
    declare({ edges: { start: ['a', 'b'], a: 'end', b: 'end' } });
    declare({ edges: { start: 'a', a: ['b', 'a'], b: 'end' } });
    declare({ edges: { start: () => 'b', a: 'end', b: 'end' } });
    declare({ edges: { start: 'a', a: { to: ['a', 'b'], choose: () => 'b' }, b: 'end' } });
  });
});

test('an invalid result of a node or an edge fails the graph with a clear error', async () => {
  const engine = new Engine();
  const cases: [object, string, string][] = [
    [{ nodes: { a: () => 'text', b: nothing } }, 'UPDATE_INVALID', 'it returned string'],
    [{ nodes: { a: () => [1], b: nothing } }, 'UPDATE_INVALID', 'it returned a list'],
    [{ nodes: { a: () => ({ a: new Map() }), b: nothing } }, 'UPDATE_INVALID', '"a"'],
    [{ nodes: { a: () => ({ a: 1n }), b: nothing } }, 'UPDATE_INVALID', '"a"'],
    [
      {
        nodes: { a: () => ({ a: 'x' }), b: nothing },
        reducers: {
          a: fails('no sum'),
        },
      },
      'UPDATE_INVALID',
      'no sum',
    ],
    [{ edges: { start: 'a', a: () => 'nowhere', b: 'end' } }, 'ROUTE_INVALID', '"nowhere"'],
    [{ edges: { start: 'a', a: { to: ['b'], choose: () => 'end' }, b: 'end' } }, 'ROUTE_INVALID', 'There are b'],
    [{ edges: { start: 'a', a: async () => 'b', b: 'end' } }, 'ROUTE_INVALID', 'a promise'],
    [{ edges: { start: 'a', a: () => undefined, b: 'end' } }, 'ROUTE_INVALID', 'not one of its targets'],
    [
      {
        edges: {
          start: 'a',
          a: fails('cannot say'),
          b: 'end',
        },
      },
      'NODE_FAILED',
      'cannot say',
    ],
    [
      {
        edges: {
          start: fails('cannot begin'),
          a: 'b',
          b: 'end',
        },
      },
      'NODE_FAILED',
      'cannot begin',
    ],
    [
      {
        nodes: {
          a: {
            agent: leaf,
            input: fails('no input'),
            output: nothing,
          },
          b: nothing,
        },
      },
      'NODE_FAILED',
      'no input',
    ],
    [
      {
        nodes: {
          a: {
            agent: leaf,
            input: () => 'x',
            output: fails('no output'),
          },
          b: nothing,
        },
      },
      'NODE_FAILED',
      'no output',
    ],
    [
      {
        nodes: {
          a: {
            ask: fails('no question'),
            answer: z.string(),
            output: nothing,
          },
          b: nothing,
        },
      },
      'NODE_FAILED',
      'no question',
    ],
    [
      {
        nodes: {
          a: () => {
            throw undefined;
          },
          b: nothing,
        },
      },
      'NODE_FAILED',
      '',
    ],
    [
      {
        output: fails('no result'),
      },
      'NODE_FAILED',
      'no result',
    ],
  ];
  for (const [o, code, message] of cases) {
    const failed = await ends(engine.run(declare(o), {} as never), 'failed');
    expect({ code: failed.error.code, message: failed.error.message }, JSON.stringify([code, message])).toEqual({
      code,
      message: expect.stringContaining(message),
    });
  }
});

test('an input that does not fit the state is refused, and toMermaid() draws graphs alone', async () => {
  const engine = new Engine();
  const g = graph({ name: 'g', state: z.object({ n: z.number() }), nodes: { a: nothing }, edges: { start: 'a', a: 'end' } });
  const failed = await ends(engine.run(g, { n: 'one' } as never), 'failed');
  expect(failed.error).toMatchObject({ code: 'INVALID_INPUT' });
  await expect(engine.run(g, undefined as never)).resolves.toMatchObject({ status: 'failed' });
  expect(() => toMermaid(leaf)).toThrow(/draws graphs/);
  expect(() => toMermaid(g, { agent: 'other', agents: [] })).toThrow(/has no part of graph "g"/);
});

test('the id of a call is not a run id, and the error says where to look', async () => {
  const engine = new Engine();
  await expect(engine.resume('12.0')).rejects.toMatchObject({
    code: 'RUN_NOT_FOUND',
    message: expect.stringContaining('part of the run at the top'),
  });
  await expect(engine.inspect('12.0/charge')).rejects.toThrow('part of the run at the top');
  await expect(engine.inspect('nothing')).rejects.toThrow('runs() lists');
});
