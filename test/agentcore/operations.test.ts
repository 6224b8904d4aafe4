import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { answers, executed, OPERATIONS_FILE, pageOf } from '../../scripts/agentcore-operations.ts';
import { SOURCES, SWITCHES } from '../../scripts/agentcore-sources.ts';
import { model } from '../../src/adapters/agentcore/wire/model/model.ts';
import { WRITTEN } from '../../src/cli/agentcore/switches.ts';

let found: ReadonlyMap<string, Error | undefined>;
beforeAll(async () => {
  found = await answers();
});

test('an operation is executed, or its answer is 501 with its name', () => {
  expect(executed(found).length).toBeGreaterThan(0);
  const own = new Set(executed(found).map(({ name }) => name));
  for (const { name } of model().operations.filter((operation) => !own.has(operation.name)))
    expect(found.get(name)).toMatchObject({ $metadata: { httpStatusCode: 501 }, message: expect.stringContaining(name) });
});

test('no operation that is executed fails by a fault of the server', () => {
  for (const { name } of executed(found))
    expect(found.get(name)?.name ?? 'a success', name).not.toMatch(/InternalServer|^ServiceException|Unknown|Signature/);
});

test('each operation that is executed, and no other, says where its behaviour is from', () => {
  expect(Object.keys(SOURCES).sort()).toEqual(
    executed(found)
      .map(({ name }) => name)
      .sort(),
  );
});

test('each disputed point has a switch of the command, and no other has', () => {
  const written = SWITCHES.map(([, , other]) => /^`(\w+=\w+)`: /.exec(other)?.[1]);
  expect([...written].sort()).toEqual(WRITTEN.map((ways) => ways.replace(/=.*\|/, '=')).sort());
});

test('docs/agentcore/operations.md is up to date: scripts/agentcore-operations.ts writes it', () => {
  expect(readFileSync(OPERATIONS_FILE, 'utf8')).toBe(pageOf(found));
});
