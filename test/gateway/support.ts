import { type Agent, agent, Engine, type EngineOptions, type OpenedSource, type RunOptions, type Tool, type ToolSource } from 'rondo';
import type { Gateway, OpenedGateway } from 'rondo/gateway';
import { scripted } from 'rondo/testing';
import { onTestFinished } from 'vitest';
import { named } from '../loop/searched.ts';

/** An agent that has these tools, in an engine of its own. */
export function over(tools: readonly (Tool | ToolSource | Agent)[], steps: Parameters<typeof scripted>[0], o: Partial<EngineOptions> = {}) {
  const model = scripted(steps);
  const own = agent({ name: 'clerk', instructions: '', model, tools });
  const engine = new Engine({ agents: [own], ...o });
  onTestFinished(() => engine.close());
  return {
    model,
    engine,
    own,
    go: (options: RunOptions = {}) => engine.run(own, 'go', options as never),
    offered: () => model.requests.map((r) => r.tools.map((t) => t.name)),
  };
}

/** A gateway opened without an engine. */
export async function opened(made: Gateway, caller: object = {}): Promise<OpenedGateway> {
  const own = await made.open({ signal: new AbortController().signal, ...caller });
  onTestFinished(() => own.close());
  return own;
}

/** A source whose parts can be replaced while it is open. */
export function source(
  list: () => readonly Tool[] | Promise<readonly Tool[]>,
  o: Partial<ToolSource> & { opened?: Partial<OpenedSource> } = {},
) {
  const state = { opens: 0, closes: 0, callers: [] as unknown[], tell: () => {} };
  const { opened: more, ...own } = o;
  const made: ToolSource = {
    name: 'source',
    async open({ signal: _, ...caller }) {
      state.opens++;
      state.callers.push(caller);
      return {
        list: async () => list(),
        changed(listener) {
          state.tell = listener;
          return () => {};
        },
        close: async () => void state.closes++,
        ...more,
      };
    },
    ...own,
  };
  return Object.assign(state, { made });
}

export const about = (name: string, description: string) => named(name, { description });

/** What is searched: two targets, one of them with as many tools more that no search is for. */
export const MAIL = [about('send', 'Sends a letter to a person'), about('archive', 'Puts a letter away')];
export const shop = (more: number) => [
  about('refund', 'Gives money back'),
  about('track', 'Says where a parcel is'),
  ...Array.from({ length: more }, (_, i) => named(`report_${i}`)),
];
export const namesOf = (tools: readonly Tool[] | undefined) => tools?.map(({ name }) => name);
