/** `rondo agentcore init`: what it writes is a program that compiles, starts and answers, and a configuration of the official CLI. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { doors, root } from '../../scripts/doors.ts';
import { ADOT, AG_UI, DEPENDENCIES, POSTGRES } from '../../src/cli/agentcore/files.ts';
import { ran } from '../cli/io.ts';
import { folder } from '../kit/folder.ts';
import { bedrockWire, says } from '../wire/bedrock.ts';

const FILES = ['.dockerignore', 'Dockerfile', 'agent.ts', 'main.ts', 'package.json', 'tsconfig.json'];
const read = (...path: string[]) => readFileSync(join(...path), 'utf8');
const init = (cwd: string, ...args: string[]) => ran(['agentcore', 'init', ...args], {}, { cwd });

/** A new project with one agent, whose packages are those of this repository. */
async function written(...args: string[]) {
  const cwd = folder('init');
  expect(await init(cwd, 'support', '--project', 'desk', ...args)).toMatchObject({ code: 0, err: '' });
  const app = join(cwd, 'app', 'support');
  symlinkSync(join(root, 'node_modules'), join(app, 'node_modules'));
  return { cwd, app };
}

test('a new project has the runtime as a container, and the agent with its Dockerfile', async () => {
  const { cwd, app } = await written();
  expect(JSON.parse(read(cwd, 'agentcore', 'agentcore.json'))).toEqual({
    $schema: 'https://schema.agentcore.aws.dev/v1/agentcore.json',
    name: 'desk',
    version: 1,
    managedBy: 'CDK',
    runtimes: [
      { name: 'support', build: 'Container', entrypoint: 'main.ts', codeLocation: 'app/support/', networkMode: 'PUBLIC', protocol: 'HTTP' },
    ],
  });
  expect(JSON.parse(read(cwd, 'agentcore', 'aws-targets.json'))).toEqual([]);
  expect(
    readdirSync(app)
      .filter((name) => name !== 'node_modules')
      .sort(),
  ).toEqual(FILES);
  const dockerfile = read(app, 'Dockerfile');
  // every stage is for ARM64, and the program is not root, is the first process, and loads ADOT before anything else
  expect(dockerfile.match(/^FROM .*/gm)?.every((line) => line.startsWith('FROM --platform=linux/arm64 '))).toBe(true);
  expect(dockerfile).toMatch(/\nUSER node\n(?!.*USER).*CMD \["node", "--require", "[^"]+\/register", "main\.ts"\]\n$/s);
  expect(dockerfile).toContain('AGENT_OBSERVABILITY_ENABLED=true');
});

test('in a project of the CLI it adds the runtime, and keeps all else', async () => {
  const cwd = folder('init');
  mkdirSync(join(cwd, 'agentcore'));
  const before = {
    $schema: 'x',
    name: 'desk',
    version: 1,
    tags: { team: 'a' },
    runtimes: [{ name: 'other', build: 'CodeZip' }],
    memories: [{ name: 'm' }],
  };
  writeFileSync(join(cwd, 'agentcore', 'agentcore.json'), JSON.stringify(before));
  expect(await init(cwd, 'support', '--protocol', 'ag-ui', '--model', 'eu.anthropic.claude-haiku-4-5-20251001-v1:0')).toMatchObject({
    code: 0,
  });
  expect(JSON.parse(read(cwd, 'agentcore', 'agentcore.json'))).toMatchObject({
    ...before,
    runtimes: [before.runtimes[0], { name: 'support', protocol: 'AGUI' }],
  });
  expect(read(cwd, 'app', 'support', 'agent.ts')).toContain("'eu.anthropic.claude-haiku-4-5-20251001-v1:0'");
  expect(JSON.parse(read(cwd, 'app', 'support', 'package.json')).dependencies).toMatchObject(AG_UI);
});

test('what is there is not overwritten, and where it refuses it writes nothing', async () => {
  const { cwd, app } = await written();
  writeFileSync(join(app, 'agent.ts'), '// mine');
  const config = read(cwd, 'agentcore', 'agentcore.json');
  for (const [args, why] of [
    [['support'], 'has a runtime "support" already'],
    [['other', '--project', 'desk'], 'leave out --project'],
    [['1st'], 'not the name of a runtime'],
    [['a'.repeat(45)], 'more than 48 characters'],
    [['other', '--protocol', 'soap'], 'http, ag-ui'],
    [['other', '--journal', 'paper'], 'ephemeral, postgres'],
    [['other', '--model', "x'; rm -rf"], '--model is the id'],
  ] as const)
    expect(await init(cwd, ...args)).toMatchObject({ code: 2, err: expect.stringContaining(why) });
  mkdirSync(join(cwd, 'app', 'taken'));
  writeFileSync(join(cwd, 'app', 'taken', 'main.ts'), '');
  expect(await init(cwd, 'taken')).toMatchObject({ code: 2, err: expect.stringContaining('none is overwritten') });
  expect(read(cwd, 'agentcore', 'agentcore.json')).toBe(config);
  expect(read(app, 'agent.ts')).toBe('// mine');
  expect(readdirSync(join(cwd, 'app')).sort()).toEqual(['support', 'taken']);
});

test.each([
  ['no project', undefined, 'create --project-name'],
  ['a configuration that is not JSON', '{', 'cannot be read as JSON'],
  ['a configuration of another version', '{"name":"desk","version":2,"runtimes":[]}', 'version 1 is known'],
  ['a configuration without a name', '{"version":1,"runtimes":[]}', 'has no name'],
  ['null', 'null', 'version'],
])('%s is refused', async (_, config, why) => {
  const cwd = folder('init');
  if (config !== undefined) {
    mkdirSync(join(cwd, 'agentcore'));
    writeFileSync(join(cwd, 'agentcore', 'agentcore.json'), config);
  }
  expect(await init(cwd, 'support')).toMatchObject({ code: 2, out: '', err: expect.stringContaining(why) });
  expect(readdirSync(cwd)).toEqual(config === undefined ? [] : ['agentcore']);
});

test('--rondo: a tarball is copied beside the agent and into the image; what else npm takes is written as it is', async () => {
  const cwd = folder('init');
  writeFileSync(join(cwd, 'rondo-0.1.0.tgz'), 'packed');
  const dependencyOf = (name: string) => JSON.parse(read(cwd, 'app', name, 'package.json')).dependencies.rondo;
  const withoutIt = await init(cwd, 'plain', '--project', 'desk');
  expect([withoutIt.out, dependencyOf('plain')]).toEqual([expect.stringContaining('npm pack'), DEPENDENCIES.rondo]);
  expect(read(cwd, 'app', 'plain', 'Dockerfile')).not.toContain('.tgz');

  const packed = await init(cwd, 'packed', '--rondo', './rondo-0.1.0.tgz');
  expect(packed).toMatchObject({ code: 0, out: expect.stringContaining('rondo-0.1.0.tgz') });
  expect(packed.out).not.toContain('not in the npm registry');
  expect([dependencyOf('packed'), read(cwd, 'app', 'packed', 'rondo-0.1.0.tgz')]).toEqual(['file:rondo-0.1.0.tgz', 'packed']);
  expect(read(cwd, 'app', 'packed', 'Dockerfile')).toContain('COPY package.json package-lock.json* *.tgz ./');

  expect(await init(cwd, 'other', '--rondo', 'https://packages.example/rondo.tgz')).toMatchObject({ code: 0 });
  expect(dependencyOf('other')).toBe('https://packages.example/rondo.tgz');
  for (const [what, why] of [
    ['gone.tgz', 'npm ci && npm pack'],
    ['a "b"', '--rondo is a tarball'],
  ] as const)
    expect(await init(cwd, 'last', '--rondo', what)).toMatchObject({ code: 2, err: expect.stringContaining(why) });
  expect(readdirSync(join(cwd, 'app')).sort()).toEqual(['other', 'packed', 'plain']);
});

test('the written program compiles as a strict project, in each protocol and with each journal', async () => {
  const { app } = await written();
  // only this file is another one
  for (const args of [
    ['--protocol', 'ag-ui'],
    ['--journal', 'postgres'],
  ])
    writeFileSync(join(app, `${args[1]}.ts`), read((await written(...args)).app, 'main.ts'));
  const paths = Object.fromEntries(doors().map(({ name, source }) => [name, [join(root, source)]]));
  writeFileSync(join(app, 'tsconfig.test.json'), JSON.stringify({ extends: './tsconfig.json', compilerOptions: { paths } }));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', 'tsconfig.test.json'], { cwd: app }).catch((error) => error);
  expect(stdout).toBe('');
});

test('the written program starts, answers /ping, and takes turns of /invocations: an answer, an approval, a decision', async () => {
  const { app } = await written();
  const bedrock = await bedrockWire();
  onTestFinished(() => bedrock.close());
  bedrock.next(
    says('Hello.'),
    says({ content: [{ toolUse: { toolUseId: 'one', name: 'refund', input: { orderId: '7', cents: 500 } } }] }),
    says('It is paid back.'),
  );
  const child = spawn(process.execPath, ['--import', join(root, 'scripts', 'source.ts'), 'main.ts'], {
    cwd: app,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      // as in the container
      DOCKER_CONTAINER: '1',
      PORT: '0',
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_ENDPOINT_URL_BEDROCK_RUNTIME: bedrock.url,
    },
  });
  onTestFinished(() => void child.kill());
  const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  const url = String(value).replace('Listening on http://0.0.0.0', 'http://127.0.0.1');
  expect(await (await fetch(`${url}/ping`)).json()).toMatchObject({ status: 'Healthy', time_of_last_update: expect.any(Number) });
  const session = 'a-session-of-at-least-33-characters';
  const invoke = async (body: unknown, headers: Record<string, string> = { 'x-amzn-bedrock-agentcore-runtime-session-id': session }) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
    const answer = await fetch(`${url}/invocations`, init);
    return { status: answer.status, body: (await answer.json()) as { approvals: { id: string }[] } };
  };
  expect(await invoke({ prompt: 'Hi' })).toMatchObject({ status: 200, body: { status: 'completed', output: 'Hello.' } });
  const paused = await invoke({ prompt: 'Pay order 7 back' });
  expect(paused).toMatchObject({
    status: 200,
    body: { status: 'paused', approvals: [{ tool: 'refund', input: { orderId: '7', cents: 500 } }] },
  });
  const decisions = [{ approval: paused.body.approvals[0]?.id, type: 'approve' }];
  expect(await invoke({ decisions })).toMatchObject({ status: 200, body: { status: 'completed', output: 'It is paid back.' } });
  // a request that did not come through the platform
  expect((await invoke({ prompt: 'Hi' }, {})).status).toBe(400);
  const ended = new Promise((resolve) => child.once('close', (code) => resolve(code)));
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('the versions that it asks for are those that this package is tested with', () => {
  const { version, peerDependencies, devDependencies } = JSON.parse(read(root, 'package.json'));
  const { rondo, [ADOT]: adot, ...others } = { ...DEPENDENCIES, ...AG_UI, ...POSTGRES };
  expect(rondo).toBe(`^${version}`);
  expect(adot).toMatch(/^\d+\.\d+\.\d+$/);
  for (const [name, range] of Object.entries(others))
    expect([name, range]).toEqual([name, peerDependencies[name] ?? devDependencies[name]]);
});

// the CLI is not a dependency of this repository: its path is given by hand
const cli = process.env.RONDO_AGENTCORE_CLI;
test.skipIf(!cli)(
  '`agentcore validate` of the official CLI (RONDO_AGENTCORE_CLI is the path of its index.mjs) finds the project valid',
  async () => {
    for (const protocol of ['http', 'ag-ui']) {
      const { cwd } = await written('--protocol', protocol);
      const { stdout } = await promisify(execFile)(process.execPath, [cli as string, 'validate'], {
        cwd,
        env: { ...process.env, CI: '1' },
      });
      expect(stdout).toContain('Valid');
    }
  },
);
