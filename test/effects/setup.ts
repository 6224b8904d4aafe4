import {
  agent,
  type EffectRecord,
  type Engine,
  type Journal,
  type Json,
  type RunOptions,
  type Tool,
  ToolError,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';

/** A tool whose input says what becomes of it: `{ then: 'done' | 'failed' | 'not-run' | 'unknown' }`. */
export const acts = (name: string, more: { [k: string]: unknown } = {}): Tool =>
  tool({
    name,
    description: 'Acts',
    input: anything,
    retry: { attempts: 1 },
    execute: ({ then, n }: { readonly [k: string]: Json }) => {
      if (then === 'failed') throw new ToolError('NO', 'it was refused', { outcome: 'failed' });
      if (then === 'not-run') throw new ToolError('LATER', 'it was not tried', { outcome: 'not-run', retryable: false });
      if (then === 'unknown') throw new Error('socket hang up');
      return { receipt: n ?? 0 };
    },
    ...more,
  });

/** Its prompt is JSON: the calls of each of its answers, one answer after another, each `[tool, input]`. */
export const actor = (tools: readonly Tool[]) =>
  agent({
    name: 'actor',
    instructions: '',
    tools,
    model: scripted(({ messages }) => {
      const prompt = messages.find((m) => m.role === 'user')?.content[0];
      const steps = JSON.parse(prompt?.type === 'text' ? prompt.text : '[]') as [string, Json][][];
      const step = steps[messages.filter((m) => m.role === 'assistant').length];
      return step ? asks(...step) : 'done';
    }),
  });

export const listed = async (engine: Engine, o: Parameters<Engine['effects']>[0] = {}): Promise<EffectRecord[]> => {
  const found: EffectRecord[] = [];
  for await (const effect of engine.effects(o)) found.push(effect);
  return found;
};

/** The same store, as one that keeps no index of effects. */
export function unindexed(journal: Journal): Journal {
  const { effects: _, ...rest } = around(journal, {});
  return rest;
}

export const did = (engine: Engine, tools: readonly Tool[], steps: readonly (readonly [string, Json])[][], o: RunOptions = {}) =>
  ends(engine.run(actor(tools), JSON.stringify(steps), o), 'completed');
