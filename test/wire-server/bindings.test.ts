import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bindings } from '../../src/adapters/agentcore/wire/bindings.ts';
import { folder } from '../kit/folder.ts';

const IMAGE = '123456789012.dkr.ecr.us-east-1.amazonaws.com/demo:latest';
const LAMBDA = 'arn:aws:lambda:us-east-1:123456789012:function:refund';

test('a file binds commands and functions, with paths from its own folder', () => {
  const cwd = folder('bindings');
  const file = join(cwd, 'bindings.json');
  writeFileSync(
    file,
    JSON.stringify({
      [`container:${IMAGE}`]: { command: ['node', 'agent.ts'], cwd: 'agent', env: { A: '1' } },
      [`lambda:${LAMBDA}`]: './tools.ts#refund',
      'lambda:other': 'tools.ts',
      's3://schemas/tools.json': './schemas/tools.json',
    }),
  );
  const bound = bindings(file);
  expect(bound.container(IMAGE)).toEqual({ command: ['node', 'agent.ts'], cwd: join(cwd, 'agent'), env: { A: '1' } });
  expect(bound.lambda(LAMBDA)).toEqual({ module: join(cwd, 'tools.ts'), name: 'refund' });
  expect(bound.lambda('other')).toEqual({ module: join(cwd, 'tools.ts'), name: 'handler' });
  expect(bound.document('s3://schemas/tools.json')).toBe(join(cwd, 'schemas', 'tools.json'));
  expect(bound.document('s3://schemas/tools')).toBeUndefined();
  expect(bound.container('toString')).toBeUndefined();
});

test.each<[string, unknown, string]>([
  ['a key of another kind', { 'queue:x': 'y' }, '"queue:x"'],
  ['a command that is a text', { 'container:a': { command: 'node agent.ts' } }, '["node", "agent.ts"]'],
  ['an empty command', { 'container:a': { command: [] } }, '"command"'],
  ['no object', { 'container:a': 'node' }, '"command"'],
  ['a folder that is a number', { 'container:a': { command: ['node'], cwd: 1 } }, '"cwd"'],
  ['a variable that is a number', { 'container:a': { command: ['node'], env: { A: 1 } } }, '"env"'],
  ['a misspelt field', { 'container:a': { command: ['node'], envs: {} } }, '"envs"'],
  ['a function that is an object', { 'lambda:a': {} }, './tools.ts#refund'],
  ['a document that is an object', { 's3://a/b': {} }, './document.json'],
  ['a REST API without a stage', { 'apigateway:a': './b.json' }, '"apigateway:a"'],
  ['a bucket without a key', { 's3://a': './b.json' }, '"s3://a"'],
  ['a list', [], 'begins with none of'],
])('%s is refused, and the entry is named', (_, given, why) => {
  const wrong = Array.isArray(given) ? [1] : given;
  expect(() => bindings(wrong as never)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(why) }),
  );
});

test.each(['{', '[]', '"text"', 'null'])('a file with %s is refused', (text) => {
  const file = join(folder('bindings'), 'bindings.json');
  writeFileSync(file, text);
  expect(() => bindings(file)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(file) }));
});
