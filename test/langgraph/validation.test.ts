import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BaseCheckpointSaver } from '@langchain/langgraph';
import type { CheckpointSaverTestInitializer } from '@langchain/langgraph-checkpoint-validation';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { journalSaver } from '../../src/adapters/langgraph/saver.ts';
import { memoryJournal } from '../../src/index.ts';

// the suite takes its functions from the global object
Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it });
const { deltaChannelHistoryTests, validate } = await import('@langchain/langgraph-checkpoint-validation');

const inMemory: CheckpointSaverTestInitializer<BaseCheckpointSaver> = {
  checkpointerName: 'journalSaver(memoryJournal())',
  createCheckpointer: () => journalSaver(memoryJournal()),
};
validate(inMemory);
deltaChannelHistoryTests(inMemory);

// nothing is remembered between two calls: every one of them reads the file as another process would
const folder = mkdtempSync(join(tmpdir(), 'rondo-lg-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const open = new Map<BaseCheckpointSaver, () => Promise<void>>();
let files = 0;
const cold: CheckpointSaverTestInitializer<BaseCheckpointSaver> = {
  checkpointerName: 'journalSaver(sqliteJournal()), a new one for every call',
  createCheckpointer() {
    const journal = sqliteJournal(join(folder, `${files++}.db`));
    const fresh = () => journalSaver(journal);
    const saver = fresh();
    for (const method of ['getTuple', 'list', 'put', 'putWrites', 'deleteThread'] as const)
      Object.defineProperty(saver, method, { value: (...args: never[]) => (fresh()[method] as (...a: never[]) => unknown)(...args) });
    open.set(saver, async () => journal.close?.());
    return saver;
  },
  destroyCheckpointer: (saver) => open.get(saver)?.(),
};
validate(cold);
deltaChannelHistoryTests(cold);
