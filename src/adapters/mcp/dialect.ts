/** What a connection needs of an SDK: one client, connected by one transport. Each version of the SDK has its own. */
import type { CallToolResult, Tool as ToolDescription } from '@modelcontextprotocol/sdk/types.js';
import type { JsonObject } from '../../json.ts';
import type { ChangedList, MaterialKind } from '../../ports/materials.ts';
import type { Elicited } from './midway.ts';

/** A tool as its server declares it, or why that cannot be read. */
export type Declared = ToolDescription & { readonly odd?: string };

export interface Ask {
  /** Milliseconds. */
  timeout: number;
  signal?: AbortSignal;
  onresumptiontoken?(): void;
}

/** A question of the server to the person (`elicitation/create`), or of another kind. */
export interface Input {
  method: string;
  params?: JsonObject | undefined;
}

/** Of 2026-07-28: the call is answered with questions, and is to be made again with their answers and the state. */
export interface InputRequired {
  resultType: 'input_required';
  inputRequests?: Readonly<Record<string, Input>>;
  requestState?: string;
}

export interface CallParams {
  name: string;
  arguments: Record<string, unknown>;
  _meta: Record<string, unknown>;
  inputResponses?: Readonly<Record<string, Elicited>>;
  requestState?: string;
}

/** A question of a server in the middle of a call, for an application that answers at once. */
export interface McpQuestion {
  /** The server's name for its tool. */
  tool: string;
  message: string;
  /** The JSON Schema of the answer; absent for a page that the person is to visit. */
  schema?: JsonObject;
  url?: string;
  signal: AbortSignal;
}

export type Answering = (question: McpQuestion) => JsonObject | undefined | Promise<JsonObject | undefined>;

export interface Events {
  changed(list: ChangedList): void;
  closed(): void;
  /** The server asks in the middle of a call (2025-11-25). */
  elicited(params: JsonObject): Promise<Elicited>;
}

export interface Dialect {
  connect(o: { timeout: number; signal: AbortSignal }): Promise<void>;
  close(): Promise<void>;
  /** A page of tools. What a server says of the next one is not checked. */
  list(params: { cursor?: string }, o: Ask): Promise<{ tools: Declared[]; nextCursor?: unknown }>;
  call(params: CallParams, o: Ask): Promise<CallToolResult | InputRequired>;
  /** Any other request that reads, such as `resources/read`. */
  request(method: string, params: JsonObject, o: Ask): Promise<JsonObject>;
  /** What the server said that it has. */
  has(what: MaterialKind): boolean;
}

export const INFO = { name: 'rondo', version: '0.1.0' };
/** What a person may be asked: forms, and pages to visit. */
export const CAPABILITIES = { elicitation: { form: {}, url: {} } };

export const isInputRequired = (answer: CallToolResult | InputRequired): answer is InputRequired =>
  (answer as InputRequired).resultType === 'input_required';
