import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { blocksOf } from '../../scripts/docs.ts';
import { root } from '../../scripts/doors.ts';
import type { Memory } from '../../src/index.ts';
import { memoryCases, memoryConformance } from '../../src/testing/memory.ts';
import { wordMemory } from './kit.ts';

memoryConformance(wordMemory, { test });

describe('the memory that docs/memory.md shows', () => {
  const { blocks } = blocksOf('docs/memory.md', readFileSync(join(root, 'docs', 'memory.md'), 'utf8'));
  const { code = '' } = blocks.find((block) => block.code.includes('const memory: Memory = {')) ?? {};
  const { outputText } = ts.transpileModule(`${code}\nexport { memory };`, { compilerOptions: { module: ts.ModuleKind.ESNext } });
  let made = 0;
  // a module of its own for each, since its notes are those of the module
  const make = async () => (await import(`data:text/javascript,${encodeURIComponent(`${outputText}// ${made++}`)}`)).memory as Memory;
  memoryConformance(make, { test });
});

/** Which promises a memory breaks. */
async function broken(make: () => Memory): Promise<string[]> {
  const names: string[] = [];
  for (const { name, run } of memoryCases(make)) await run().catch(() => names.push(name));
  return names;
}
const changed = (over: (inner: Memory) => Partial<Memory>) => () => {
  const inner = wordMemory();
  return { ...inner, ...over(inner) };
};

test.each<[string, () => Memory, RegExp]>([
  [
    'forgets the key',
    changed((m) => ({ record: (e) => m.record({ ...e, idempotencyKey: String(Math.random()) }) })),
    /twice under one key/,
  ],
  [
    'mixes tenants',
    changed((m) => ({ recall: (q) => m.recall({ ...q, by: { id: q.by.id, tenant: 'acme' } }) })),
    /not recalled for another/,
  ],
  ['has no bound', changed((m) => ({ recall: (q) => m.recall({ ...q, tokens: 1e6 }) })), /requested number of tokens/],
  ['does not forget', changed(() => ({ forget: async () => undefined })), /forgotten session/],
  [
    'forgets too much',
    changed((m) => ({ forget: (q) => (m.forget as NonNullable<Memory['forget']>)({ by: q.by, signal: q.signal }) })),
    /forgotten session/,
  ],
  ['records nothing', changed(() => ({ record: async () => undefined })), /recalled in another session/],
])('the suite notices a memory that %s', async (_, make, expected) => {
  expect((await broken(make)).join('\n')).toMatch(expected);
});

test('a memory without forget passes the rest', async () => {
  expect(await broken(() => ({ ...wordMemory(), forget: undefined }))).toEqual([]);
});
