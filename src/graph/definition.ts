import type { Json } from '../json.ts';
import type { AgentDefinition } from '../loop/types.ts';

import type { JsonSchema, Schema } from '../schema.ts';
import type { Shape } from './shape.ts';
import type { State } from './state.ts';
import type { NodeContext } from './types.ts';

/** A validated node. `NodeSpec` is what the user writes. */
export type Node =
  | { kind: 'function'; run(state: State, ctx: NodeContext): unknown }
  | {
      kind: 'agent';
      agent: AgentDefinition;
      input(state: State, item: Json | undefined): unknown;
      output(output: Json, state: State): unknown;
    }
  | {
      kind: 'ask';
      ask(state: State, item: Json | undefined): string;
      answer: { schema: Schema; json: JsonSchema };
      rule: { reason?: string; roles?: readonly string[]; expires?: number; allow: readonly ['respond'] };
      output(answer: unknown, state: State): unknown;
    }
  | {
      kind: 'event';
      event: string;
      key(state: State, item: Json | undefined): unknown;
      schema: { schema: Schema; json: JsonSchema };
      for: number;
      output(data: unknown, state: State): unknown;
      timeout: ((state: State) => unknown) | undefined;
    }
  | { kind: 'wait'; wait(state: State, item: Json | undefined): unknown };

export interface GraphDefinition extends AgentDefinition {
  readonly kind: 'graph';
  readonly input: { schema: Schema; json: JsonSchema };
  /** The names of the state's fields; undefined if the schema allows additional properties. */
  readonly fields: ReadonlySet<string> | undefined;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly shape: Shape;
  readonly reducers: Readonly<Record<string, ((now: Json, update: Json) => unknown) | undefined>>;
  readonly result: ((state: State) => unknown) | undefined;
}

export const isGraph = (agent: AgentDefinition): agent is GraphDefinition => agent.kind === 'graph';
