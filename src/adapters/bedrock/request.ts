import type {
  ConverseCommandInput,
  ConverseStreamCommandInput,
  OutputConfig,
  SystemContentBlock,
  Tool,
  Message as WireMessage,
} from '@aws-sdk/client-bedrock-runtime';
import type { Json, JsonObject } from '../../json.ts';
import type { ModelRequest, ToolSpec } from '../../ports/model.ts';
import { type Aliases, aliases } from '../../ports/sendable/names.ts';
import { wellFormed } from '../../ports/sendable/text.ts';
import { isReadAgain, setCachePoints } from './cache.ts';
import type { Feature } from './families.ts';
import { documentNames } from './media.ts';
import { conversation } from './messages.ts';
import { type BedrockOptions, type CacheOptions, MAX_TOKENS } from './options.ts';
import { instruction, textFormat } from './output.ts';
import { type Told, told } from './schema.ts';
import { maker } from './vendor.ts';

export interface Prepared {
  input: ConverseCommandInput & ConverseStreamCommandInput;
  /** Maps back to the tool's own name and argument names. */
  toolName: (alias: string) => string;
  argumentsOf: (tool: string, input: Json) => Json;
  /** Features in this request that a model may refuse. */
  sent: Set<Feature>;
}

const cacheOf = (id: string, { cache }: BedrockOptions, { tools }: ModelRequest): CacheOptions => {
  if (typeof cache === 'object') return cache;
  return (cache ?? isReadAgain(id, tools)) ? {} : UNMARKED;
};
const UNMARKED: CacheOptions = { system: false, tools: false, messages: false };
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const UNHYPHENED = /^[a-zA-Z0-9_]{1,64}$/;

export function prepare(id: string, o: BedrockOptions, request: ModelRequest, dropped: ReadonlySet<Feature>): Prepared {
  const sent = new Set<Feature>();
  // Converse has no word for it: what is not offered is not called
  if (request.toolChoice === 'none') return prepare(id, o, { ...request, tools: [], toolChoice: undefined }, dropped);
  const tools = aliases(dropped.has('hyphen') ? UNHYPHENED : TOOL_NAME);
  // the offered tools come first, so that their names stay unchanged if an old call's name collides
  for (const tool of request.tools) tools.alias(tool.name);
  const inputs = new Map(request.tools.map((tool) => [tool.name, told(tool.input, dropped)] as const));
  const format = request.output && !dropped.has('textFormat') ? textFormat(request.output) : undefined;
  if (format) sent.add('textFormat');
  // offering tools to a model that supports none is a developer's error, so it is refused
  const wordless = dropped.has('tools') && request.tools.length > 0 ? without(dropped, 'tools') : dropped;

  const aliased = (tool: string, input: Json): Json => inputs.get(tool)?.aliased(input) ?? input;
  const messages = conversation(request.messages, { id, tools, aliased, documentName: documentNames(), dropped: wordless, sent });
  const system = systemBlocks(request, format === undefined);
  if (dropped.has('system')) intoMessages(system.splice(0), messages);
  else if (system.length) sent.add('system');
  const declared = toolSpecs(request.tools, messages, tools, inputs, sent);
  setCachePoints({ system, tools: declared, messages }, cacheOf(id, o, request), dropped, sent);
  const choice = choiceOf(request, tools, dropped);
  if (choice) sent.add('toolChoice');
  const effort = o.reasoning && 'effort' in o.reasoning ? o.reasoning.effort : undefined;
  const outputConfig: OutputConfig = { ...(format && { textFormat: format }), ...(effort && { effort }) };
  const fields = { ...(!choice && thinking(id, o, messages, dropped, sent)), ...o.additionalFields };
  return {
    toolName: tools.original,
    argumentsOf: (tool, input) => inputs.get(tool)?.original(input) ?? input,
    sent,
    input: {
      modelId: id,
      messages,
      inferenceConfig: {
        maxTokens: o.maxTokens ?? MAX_TOKENS,
        ...(o.temperature !== undefined && { temperature: o.temperature }),
        ...(o.topP !== undefined && { topP: o.topP }),
        ...(o.stopSequences?.length && { stopSequences: [...o.stopSequences] }),
      },
      ...(system.length && { system }),
      ...(declared.length && { toolConfig: { tools: declared, ...(choice && { toolChoice: choice }) } }),
      ...(o.guardrail && { guardrailConfig: guardrail(o.guardrail) }),
      ...((format || effort) && { outputConfig }),
      ...(Object.keys(fields).length && { additionalModelRequestFields: fields as ConverseCommandInput['additionalModelRequestFields'] }),
      ...(o.latency && { performanceConfig: { latency: o.latency } }),
      ...(o.serviceTier && { serviceTier: { type: o.serviceTier } }),
    },
  };
}

/** A call that is asked for. Claude takes none together with reasoning, which is off for that request. */
function choiceOf({ toolChoice, tools: offered }: ModelRequest, tools: Aliases, dropped: ReadonlySet<Feature>): AskedFor | undefined {
  if (toolChoice === undefined || offered.length === 0 || dropped.has('toolChoice')) return undefined;
  if (typeof toolChoice === 'object') return { tool: { name: tools.alias(toolChoice.tool) } };
  return toolChoice === 'required' ? { any: {} } : undefined;
}
type AskedFor = NonNullable<NonNullable<ConverseCommandInput['toolConfig']>['toolChoice']>;

function without(features: ReadonlySet<Feature>, feature: Feature): ReadonlySet<Feature> {
  const others = new Set(features);
  others.delete(feature);
  return others;
}

function systemBlocks({ instructions, output }: ModelRequest, spell: boolean): SystemContentBlock[] {
  const system: SystemContentBlock[] = [];
  if (instructions.trim()) system.push({ text: wellFormed(instructions) });
  if (output && spell) system.push({ text: wellFormed(instruction(output)) });
  return system;
}

/** For a model without system prompts. The first message is the user's. */
function intoMessages(system: readonly SystemContentBlock[], [first]: readonly WireMessage[]): void {
  first?.content?.unshift(...system.flatMap(({ text }) => (text === undefined ? [] : [{ text }])));
}

/** Bedrock requires declared tools whenever a conversation holds calls, even if none is offered any more. */
function toolSpecs(
  specs: readonly ToolSpec[],
  messages: readonly WireMessage[],
  names: Aliases,
  inputs: ReadonlyMap<string, Told>,
  sent: Set<Feature>,
): Tool[] {
  const tools = specs.map(({ name, description, input }): Tool => {
    const { schema, uses } = inputs.get(name) ?? { schema: input, uses: [] };
    for (const feature of uses) sent.add(feature);
    return {
      toolSpec: {
        name: names.alias(name),
        ...(description.trim() && { description: wellFormed(description) }),
        inputSchema: { json: schema as { [k: string]: never } },
      },
    };
  });
  if (tools.length > 0) return tools;
  const used = new Set(messages.flatMap((m) => m.content ?? []).flatMap((b) => b.toolUse?.name ?? []));
  for (const name of used) {
    sent.add('tools');
    tools.push({ toolSpec: { name, description: 'Not available any more.', inputSchema: { json: { type: 'object', properties: {} } } } });
  }
  return tools;
}

/** The non-streamed call has no stream mode, and the SDK does not send it there. */
function guardrail(g: NonNullable<BedrockOptions['guardrail']>): ConverseStreamCommandInput['guardrailConfig'] {
  return {
    guardrailIdentifier: g.id,
    guardrailVersion: g.version,
    ...(g.trace && { trace: g.trace }),
    ...(g.streamMode && { streamProcessingMode: g.streamMode }),
  };
}

/**
 * Claude reasons only if asked to; with an effort and no budget it sets its own budget. With a budget, an answer that it continues must
 * have begun with reasoning. If another model gave that answer, or the reasoning is lost, reasoning is off for that request.
 */
function thinking(
  id: string,
  { reasoning }: BedrockOptions,
  messages: readonly WireMessage[],
  dropped: ReadonlySet<Feature>,
  sent: Set<Feature>,
): JsonObject {
  if (!reasoning || dropped.has('thinking')) return {};
  if (!('budgetTokens' in reasoning)) {
    if (maker(id) !== 'anthropic') return {};
    sent.add('thinking');
    return { thinking: { type: 'adaptive' } };
  }
  const last = messages.findLast((m) => m.role === 'assistant')?.content ?? [];
  const goesOn = messages.at(-1)?.content?.some((b) => b.toolResult) ?? false;
  if (goesOn && !last[0]?.reasoningContent) return {};
  sent.add('thinking');
  return { thinking: { type: 'enabled', budget_tokens: reasoning.budgetTokens } };
}
