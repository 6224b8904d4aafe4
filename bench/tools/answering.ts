/** What `find_tools` answers, as a model sees it. */
import type { Gateway } from '../../src/adapters/gateway/index.ts';
import { agent, Engine, type Message } from '../../src/index.ts';
import { FIND_TOOLS } from '../../src/loop/tools/finding.ts';
import { scripted } from '../../src/testing/scripted.ts';

export interface Answered {
  /** Names of the tools with their schemas, and of those without. */
  readonly whole: readonly string[];
  readonly named: readonly string[];
  readonly chars: number;
}

/** A model that searches once, by the words of what it is asked. */
export function answering(tools: Gateway): { ask(query: string): Promise<Answered>; [Symbol.asyncDispose](): Promise<void> } {
  let asked = '';
  let answer: string | undefined;
  const model = scripted(({ messages }) => {
    answer = resultIn(messages.at(-1));
    return answer === undefined ? { toolCalls: [{ name: FIND_TOOLS, input: { query: asked } }] } : 'done';
  });
  const asking = agent({ name: 'asking', instructions: '', model, tools: [tools] });
  const engine = new Engine();
  return {
    async ask(query) {
      asked = query;
      const result = await engine.run(asking, query);
      if (result.status !== 'completed' || answer === undefined) throw new Error(`The search for "${query}" ended as ${result.status}.`);
      const { tools: whole, others = [] } = JSON.parse(answer) as { tools: { name: string }[]; others?: string[] };
      return { whole: whole.map(({ name }) => name), named: others.map((line) => line.slice(0, line.indexOf(': '))), chars: answer.length };
    },
    [Symbol.asyncDispose]: () => engine.close(),
  };
}

function resultIn(message: Message | undefined): string | undefined {
  const part = message?.role === 'tool' ? message.content[0] : undefined;
  return part?.type === 'toolResult' ? part.output.map((one) => (one.type === 'text' ? one.text : '')).join('') : undefined;
}
