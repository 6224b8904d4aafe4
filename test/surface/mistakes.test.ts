/** What the compiler says of the usual mistakes: which field, and what to write. Each is a module of its own, compiled together. */
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { root } from '../../scripts/doors.ts';

const HEAD = `
import { agent, type Decision, delegate, Engine, graph, handoff, tool } from 'rondo';
import { a2aHandler, serveA2A } from 'rondo/a2a';
import { agUiHandler, serveAgUi } from 'rondo/ag-ui';
import { serve as serveContainer } from 'rondo/agentcore/runtime';
import { rondoNode } from 'rondo/langgraph';
import { mcpHandler } from 'rondo/mcp';
import { requestHandler, serve } from 'rondo/server';
import { rondoTool } from 'rondo/strands';
import { scripted } from 'rondo/testing';
import { z } from 'zod';
const model = scripted(['x']);
const engine = new Engine();
const state = z.object({ topic: z.string(), ok: z.boolean().optional() });
const edges = { start: 'n', n: 'end' } as const;
const base = { name: 'x', description: '', input: z.object({}) };
const who = tool({ ...base, context: z.object({ tenant: z.string() }), execute: (_, { context }) => context.tenant });
const needy = agent({ name: 'needy', instructions: '', model, tools: [who] });
const plain = agent({ name: 'plain', instructions: '', model });
const counted = agent({ name: 'counted', instructions: '', model, output: z.object({ n: z.number() }) });
export const servers = [a2aHandler, serveA2A, agUiHandler, serveAgUi, serveContainer, rondoNode, mcpHandler, requestHandler, serve, rondoTool] as const;
export const used = [agent, counted, delegate, engine, graph, handoff, tool, z, state, edges, base, who, needy, plain] as const;
export type Used = Decision;
`;

/** What starts runs for others, of an agent whose tools need a context. */
const SERVERS = [
  'serveA2A',
  'agUiHandler',
  'serveAgUi',
  'serveContainer',
  'rondoNode',
  'mcpHandler',
  'requestHandler',
  'serve',
  'rondoTool',
];

const mistakes: readonly [mistake: string, code: string, ...says: string[]][] = [
  [
    'a run without the context that its tools need',
    `void engine.run(needy, 'go');`,
    'Pass the context that the tools need: engine.run(agent, input, { context })',
  ],
  [
    'a run without the context that a tool far below needs',
    `void engine.run(agent({ name: 'top', instructions: '', model, agents: [needy] }), 'go');`,
    'Pass the context that the tools need',
  ],
  ...SERVERS.map((server): [string, string, string] => [
    `${server}() without the context that the tools of its agent need`,
    `void ${server}(engine, needy);`,
    'Say which context the tools get: pass { context: (by) => ({ ... }) }',
  ]),
  [
    'a misspelt field of the context',
    `void engine.run(needy, 'go', { context: { tenat: 't' } });`,
    "'tenat' does not exist",
    "Did you mean to write 'tenant'?",
  ],
  [
    'a misspelt option of a run',
    `void engine.run(plain, 'go', { sesion: 's' });`,
    "'sesion' does not exist",
    "Did you mean to write 'session'?",
  ],
  [
    'an input of another type',
    `void engine.run(plain, 7);`,
    "Argument of type 'number' is not assignable to parameter of type 'AgentInput'",
  ],
  [
    'a system message',
    `void engine.run(plain, [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'Hi' }]);`,
    "What an agent is always told are its instructions: agent({ instructions: 'Be kind.' })",
  ],
  [
    'a misspelt role',
    `void engine.run(plain, [{ role: 'asistant', content: 'Hi' }]);`,
    `Type '"asistant"' is not`,
    `Did you mean '"assistant"'?`,
  ],
  ['a message without content', `void engine.run(plain, [{ role: 'user', text: 'Hi' }]);`, "Property 'content' is missing"],
  [
    'a misspelt field of a part',
    `void engine.run(plain, [{ role: 'user', content: [{ type: 'text', content: 'Hi' }] }]);`,
    "'content' does not exist in type",
    'type: "text"; text: string',
  ],
  [
    'messages whose roles are any text',
    `const h = [{ role: 'user', content: 'Hi' }]; void engine.run(plain, h);`,
    `Type 'string' is not assignable to type '"user" | "assistant" | "tool"'`,
  ],
  [
    'fields in place of a schema',
    `tool({ name: 'x', description: '', input: { id: z.string() }, execute: () => 1 });`,
    'Wrap the fields in a schema: z.object({ ... })',
  ],
  [
    'a misspelt option of a tool',
    `tool({ ...base, aproval: true, execute: () => 1 });`,
    "'aproval' does not exist",
    "Did you mean to write 'approval'?",
  ],
  ['a misspelt effect', `tool({ ...base, effect: 'onse', execute: () => 1 });`, `'"onse"' is not assignable to type 'Effect`],
  [
    'a misspelt field of an approval',
    `tool({ ...base, approval: { role: ['lead'] }, execute: () => 1 });`,
    "Write roles, a list of names: roles: ['lead']",
  ],
  ['an output that JSON cannot hold', `tool({ ...base, execute: () => fetch('http://a.test') });`, 'JSON cannot hold a Response'],
  [
    'a misspelt field in what a tool returns',
    `tool({ ...base, input: state, execute: ({ topik }) => topik });`,
    "Property 'topik' does not exist",
  ],
  ['an unknown name in what a tool returns', `tool({ ...base, execute: () => ({ a: nope() }) });`, "Cannot find name 'nope'"],
  [
    'the answer of an agent that took over, as a text',
    `void engine.run(agent({ name: 'x', instructions: '', model, agents: [handoff(counted)] }), 'go').output().then((said) => said.length);`,
    "Property 'length' does not exist on type 'string | { n: number; }'",
  ],
  [
    'a misspelt option of an agent',
    `agent({ name: 'x', instructions: '', model, tool: [who] });`,
    "'tool' does not exist",
    "Did you mean to write 'tools'?",
  ],
  ['an agent without a model', `agent({ name: 'x', instructions: '' });`, "Property 'model' is missing"],
  [
    'a misspelt limit',
    `agent({ name: 'x', instructions: '', model, limits: { step: 1 } });`,
    "'step' does not exist",
    "Did you mean to write 'steps'?",
  ],
  [
    'a tool among the agents',
    `agent({ name: 'x', instructions: '', model, agents: [who] });`,
    'This is not an agent. A tool belongs in tools: tools: [refund], agents: [research]',
  ],
  [
    'an unknown field of an update',
    `graph({ name: 'g', state, nodes: { n: () => ({ topik: '' }) }, edges });`,
    'The state has no field "topik". It has:',
    'topic',
  ],
  [
    'an unknown field beside a known one',
    `graph({ name: 'g', state, nodes: { n: async () => ({ ok: true, topik: '' }) }, edges });`,
    'The state has no field "topik". It has:',
  ],
  [
    'role in place of roles',
    `graph({ name: 'g', state, nodes: { n: { ask: () => '?', answer: z.boolean(), role: ['lead'], output: (ok) => ({ ok }) } }, edges });`,
    "Write roles, a list of names: roles: ['lead']",
  ],
  [
    'an edge to no node',
    `graph({ name: 'g', state, nodes: { n: () => ({}) }, edges: { start: 'n', n: 'm' } });`,
    `'"m"' is not assignable to type 'Route`,
    '"n"',
  ],
  ['a rejection without a reason', `const d: Decision = { approval: 'a', type: 'reject' }; void d;`, "Property 'reason' is missing"],
  [
    'a decision of no one',
    `void engine.decide('r', [{ approval: 'a', type: 'approve' }]);`,
    "Say who decides: engine.decide(runId, [approve(approval)], { by: { id: 'ben' } })",
  ],
  [
    'the output of a run that may not have completed',
    `void engine.run(plain, 'go').then((result) => result.output);`,
    "Property 'output' does not exist on type",
    'status: "paused"',
  ],
];

describe('the compiler names the field and the remedy:', () => {
  const names = mistakes.map((_, i) => join(root, 'test', 'surface', `mistake-${i}.ts`));
  const files = new Map(mistakes.map(([, code], i) => [names[i] as string, `${HEAD}${code}\n`]));
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...config.compilerOptions, incremental: undefined, tsBuildInfoFile: undefined },
    root,
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  host.getSourceFile = (name, o, ...rest) => {
    const text = files.get(name);
    return text === undefined ? getSourceFile(name, o, ...rest) : ts.createSourceFile(name, text, o);
  };
  const program = ts.createProgram(names, options, host);
  const first = HEAD.split('\n').length;

  test.each(mistakes.map((m, i) => [m[0], i] as const))('%s', (_, i) => {
    const [, , ...says] = mistakes[i] as (typeof mistakes)[number];
    const source = program.getSourceFile(names[i] as string) as ts.SourceFile;
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    // one mistake, one error, where it is
    expect(found.map((d) => source.getLineAndCharacterOfPosition(d.start as number).line + 1)).toEqual([first]);
    const text = ts.flattenDiagnosticMessageText((found[0] as ts.Diagnostic).messageText, '\n').replaceAll('\\"', '"');
    for (const part of says) expect(text).toContain(part);
  });
});
