/** A call of a tool of a source, by an agent that does as it is told. */
import { agent, Engine, type EngineOptions, type Json, memoryJournal, type RunOptions, type ToolSource } from 'rondo';
import { type Scripted, scripted } from 'rondo/testing';
import { onTestFinished } from 'vitest';
import { entriesOf } from '../kit/journals.ts';
import { asks, ends, shown } from '../kit/runs.ts';

export interface Called {
  /** What the agent was shown: the output, or the failure. */
  readonly value: Json;
  readonly isError: boolean;
  /** The failure, if it is one. */
  readonly failure: { code: string; message: string; outcome: string; attempts: number; retryable: boolean; retryAfter?: number };
  /** All that the run wrote, and all that the model saw. */
  readonly written: string;
}

/** An engine and an agent with one source. */
export function over(source: ToolSource, steps: readonly Scripted[], o: EngineOptions = {}) {
  const journal = memoryJournal();
  const model = scripted(steps);
  const own = agent({ name: 'clerk', instructions: '', model, tools: [source] });
  const engine = new Engine({ journal, agents: [own], ...o });
  onTestFinished(() => engine.close());
  return { journal, model, agent: own, engine };
}

/** Calls one tool, and says what came of it. */
export async function calling(
  source: ToolSource,
  name: string,
  input: Json,
  o: { engine?: EngineOptions; run?: RunOptions<unknown> } = {},
): Promise<Called> {
  const { journal, model, agent: own, engine } = over(source, [asks([name, input]), 'done'], o.engine);
  const result = await ends(engine.run(own, 'go', o.run as never), 'completed');
  const [seen] = shown(model.requests[1]);
  const text = seen?.text ?? '';
  const value = parsed(text);
  const written = JSON.stringify([await entriesOf(journal, result.runId), model.requests, result]);
  return { value, isError: seen?.isError === true, failure: value as unknown as Called['failure'], written };
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
