import type {
  ConverseCommandInput,
  ConverseStreamCommandInput,
  OutputConfig,
  SystemContentBlock,
  Tool,
  ToolConfiguration,
  Message as WireMessage,
} from '@aws-sdk/client-bedrock-runtime';
import type { JsonObject } from '../../json.ts';
import type { ModelRequest, ToolSpec } from '../../ports/model.ts';
import { type Context, conversation } from './messages.ts';
import { aliases, documentNames } from './names.ts';
import { type BedrockOptions, type CacheOptions, MAX_TOKENS } from './options.ts';
import { instruction, textFormat } from './output.ts';
import type { Feature } from './quirks.ts';
import { cachePoint, maker } from './vendor.ts';

export interface Prepared {
  input: ConverseCommandInput & ConverseStreamCommandInput;
  /** The tool's own name behind the one the model was told. */
  toolName: (alias: string) => string;
  /** Features in this request that a model may refuse. */
  sent: ReadonlySet<Feature>;
}

const UNMARKED: CacheOptions = { system: false, tools: false, messages: false };

export function prepare(id: string, o: BedrockOptions, request: ModelRequest, dropped: ReadonlySet<Feature>): Prepared {
  const sent = new Set<Feature>();
  const tools = aliases();
  const context: Context = { id, tools, calls: aliases(), documentName: documentNames(), dropped, sent };
  const cache: CacheOptions = o.cache === true ? {} : o.cache || UNMARKED;
  // the tools on offer come first, so that their names stay plain where an old call's name would collide
  for (const tool of request.tools) tools.alias(tool.name);
  const format = request.output && !dropped.has('textFormat') ? textFormat(request.output) : undefined;
  if (format) sent.add('textFormat');

  const messages = conversation(request.messages, context);
  if (cache.messages !== false) messages.findLast((m) => m.role === 'user')?.content?.push({ cachePoint: cachePoint(cache.ttl) });
  const system = systemBlocks(request, format === undefined, cache);
  const toolConfig = toolConfiguration(request.tools, messages, context, cache);
  const effort = o.reasoning && 'effort' in o.reasoning ? o.reasoning.effort : undefined;
  const outputConfig: OutputConfig = { ...(format && { textFormat: format }), ...(effort && { effort }) };
  const fields = { ...thinking(id, o), ...o.additionalFields };
  return {
    toolName: tools.original,
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
      ...(toolConfig && { toolConfig }),
      ...(o.guardrail && { guardrailConfig: guardrail(o.guardrail) }),
      ...((format || effort) && { outputConfig }),
      ...(Object.keys(fields).length && { additionalModelRequestFields: fields as ConverseCommandInput['additionalModelRequestFields'] }),
      ...(o.latency && { performanceConfig: { latency: o.latency } }),
      ...(o.serviceTier && { serviceTier: { type: o.serviceTier } }),
    },
  };
}

function systemBlocks({ instructions, output }: ModelRequest, spell: boolean, cache: CacheOptions): SystemContentBlock[] {
  const system: SystemContentBlock[] = [];
  if (instructions.trim()) system.push({ text: instructions });
  if (output && spell) system.push({ text: instruction(output) });
  if (system.length && cache.system !== false) system.push({ cachePoint: cachePoint(cache.ttl) });
  return system;
}

/** Bedrock wants tools declared wherever a conversation holds calls, also where none is on offer any more. */
function toolConfiguration(
  specs: readonly ToolSpec[],
  messages: readonly WireMessage[],
  { tools: names }: Context,
  cache: CacheOptions,
): ToolConfiguration | undefined {
  const tools: Tool[] = specs.map(({ name, description, input }) => ({
    toolSpec: {
      name: names.alias(name),
      ...(description.trim() && { description }),
      inputSchema: { json: objectSchema(input) as { [k: string]: never } },
    },
  }));
  if (!tools.length) {
    const used = new Set(messages.flatMap((m) => m.content ?? []).flatMap((b) => b.toolUse?.name ?? []));
    for (const name of used)
      tools.push({ toolSpec: { name, description: 'Not available any more.', inputSchema: { json: { type: 'object', properties: {} } } } });
  }
  if (!tools.length) return undefined;
  if (cache.tools !== false) tools.push({ cachePoint: cachePoint(cache.ttl) });
  return { tools };
}

const objectSchema = (schema: JsonObject): JsonObject =>
  schema.type === 'object' ? schema : { ...schema, type: 'object', properties: schema.properties ?? {} };

/** The one-shot call knows no stream mode, and the SDK does not send it there. */
function guardrail(g: NonNullable<BedrockOptions['guardrail']>): ConverseStreamCommandInput['guardrailConfig'] {
  return {
    guardrailIdentifier: g.id,
    guardrailVersion: g.version,
    ...(g.trace && { trace: g.trace }),
    ...(g.streamMode && { streamProcessingMode: g.streamMode }),
  };
}

/** Claude reasons only where it is told to; with an effort and no budget it budgets for itself. */
function thinking(id: string, { reasoning }: BedrockOptions): JsonObject {
  if (!reasoning) return {};
  if ('budgetTokens' in reasoning) return { thinking: { type: 'enabled', budget_tokens: reasoning.budgetTokens } };
  return maker(id) === 'anthropic' ? { thinking: { type: 'adaptive' } } : {};
}
