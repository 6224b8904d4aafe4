/**
 * Counts what a reader must follow: the files and functions of src that run between two moments of a run, by V8's own call counts.
 *
 *   node --import ./scripts/source.ts scripts/path.ts            the counts
 *   node --import ./scripts/source.ts scripts/path.ts --list     and each function, by file
 */
import { Session } from 'node:inspector';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Agent, agent, Engine, graph, jsonSchema, type Model, memoryJournal, supervisor, tool } from 'rondo';
import { root } from './doors.ts';
import { flags } from './flags.ts';

interface Path {
  files: Set<string>;
  functions: Set<string>;
}

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });

/** What ran since the last call. In one process the inspector answers before `post` returns. */
function taken(): Path {
  const path: Path = { files: new Set(), functions: new Set() };
  session.post('Profiler.takePreciseCoverage', (error, found) => {
    if (error) throw error;
    for (const { url, functions } of found.result) {
      if (!url.startsWith('file:')) continue;
      const file = relative(root, fileURLToPath(url));
      if (!file.startsWith('src/') || file.startsWith('src/testing/')) continue;
      for (const { functionName, ranges } of functions) {
        const [range] = ranges;
        // the first range of a module is its top level
        if (!range || range.count === 0 || (functionName === '' && range.startOffset === 0)) continue;
        path.files.add(file);
        path.functions.add(`${file} ${functionName || `(at ${range.startOffset})`}`);
      }
    }
  });
  return path;
}

/** A model that asks for a call at each step but the last, and marks when it is asked and when it answers. */
function marking(
  answers: readonly { name: string; input: { q: string } | { task: string } }[],
  asked: (step: number) => void,
  answered: (step: number) => void,
): Model {
  let step = 0;
  return {
    provider: 'none',
    id: 'marking',
    async generate() {
      const now = step++;
      asked(now);
      const call = answers[now];
      answered(now);
      return call
        ? { content: [{ type: 'toolCall', id: `c${now}`, ...call }], stop: 'tools', usage: { input: 1, output: 1 } }
        : { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: { input: 1, output: 1 } };
    },
  };
}

const text = jsonSchema<{ q: string }>({ type: 'object', properties: { q: { type: 'string' } }, required: ['q'] });
const look = tool({ name: 'look', description: '', input: text, effect: 'read', execute: ({ q }) => `found ${q}` });
const pay = tool({ name: 'pay', description: '', input: text, approval: true, execute: ({ q }) => `paid ${q}` });
const by = { id: 'ben' };

/** From the second answer to the third request: by then what runs once a run has run. */
async function toolCall(): Promise<Path> {
  let path: Path | undefined;
  const calls = [1, 2, 3].map((n) => ({ name: 'look', input: { q: `${n}` } }));
  const model = marking(
    calls,
    (step) => {
      if (step === 2) path = taken();
    },
    (step) => {
      if (step === 1) taken();
    },
  );
  await new Engine().run(agent({ name: 'a', instructions: '', model, tools: [look] }), 'go');
  return path as Path;
}

async function paused(): Promise<{ engine: Engine; runId: string; approval: string }> {
  process.removeAllListeners('warning');
  const model = marking(
    [{ name: 'pay', input: { q: 'x' } }],
    () => {},
    () => {},
  );
  const engine = new Engine({ journal: memoryJournal() });
  const result = await engine.run(agent({ name: 'p', instructions: '', model, tools: [pay] }), 'go');
  const approval = result.status === 'paused' ? result.approvals[0] : undefined;
  if (!approval) throw new Error(`the run is ${result.status}`);
  return { engine, runId: result.runId, approval: approval.id };
}

async function decision(): Promise<Path> {
  const { engine, runId, approval } = await paused();
  taken();
  await engine.decide(runId, [{ approval, type: 'approve' }], { by });
  return taken();
}

async function resumed(): Promise<Path> {
  const { engine, runId, approval } = await paused();
  await engine.decide(runId, [{ approval, type: 'approve' }], { by });
  taken();
  await engine.resume(runId);
  return taken();
}

async function node(): Promise<Path> {
  const state = jsonSchema<{ n: number }>({ type: 'object', properties: { n: { type: 'number' } }, required: ['n'] });
  let path: Path | undefined;
  const g = graph({
    name: 'g',
    state,
    nodes: {
      one: ({ n }: { n: number }) => {
        taken();
        return { n: n + 1 };
      },
      two: ({ n }: { n: number }) => {
        path = taken();
        return { n };
      },
    },
    edges: { start: 'one', one: 'two', two: 'end' },
  });
  await new Engine().run(g, { n: 0 });
  return path as Path;
}

/** From a sub-agent's last answer to its parent's next request. */
async function subAgent(): Promise<Path> {
  let path: Path | undefined;
  const inner = marking(
    [],
    () => {},
    () => taken(),
  );
  const child: Agent = agent({ name: 'child', instructions: '', model: inner });
  const outer = marking(
    [{ name: 'child', input: { task: 'x' } }],
    (step) => {
      if (step === 1) path = taken();
    },
    () => {},
  );
  await new Engine().run(supervisor({ name: 'boss', instructions: '', model: outer, agents: [child] }), 'go');
  return path as Path;
}

const { values } = flags('npm run path -- [--list]', { options: { list: { type: 'boolean' } } });
const paths: [string, () => Promise<Path>][] = [
  ['a tool call: from the answer to the next request', toolCall],
  ['decide()', decision],
  ['resume() after a decision, to the end', resumed],
  ['a node of a graph, to the next one', node],
  ["a sub-agent's last answer, to its parent's next request", subAgent],
];
for (const [name, run] of paths) {
  const path = await run();
  console.log(`${String(path.files.size).padStart(3)} files ${String(path.functions.size).padStart(4)} functions  ${name}`);
  if (values.list) for (const line of [...path.functions].sort()) console.log(`      ${line}`);
}
session.disconnect();
