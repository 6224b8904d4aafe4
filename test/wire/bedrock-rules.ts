/**
 * What Bedrock's Converse refuses and its client's schemas do not say: patterns, lengths, the shape of a conversation.
 * Collected from its documentation and from the messages it is known to answer with. The wire server applies it to
 * every request, so each test also asserts that the real service would have taken what it was sent.
 */
// biome-ignore-all lint/suspicious/noExplicitAny: a decoded request is walked as the service would, trusting nothing

const NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const DOCUMENT_NAME = /^(?!.*\s\s)[a-zA-Z0-9\s\-()[\]]{1,200}$/;
const EFFORTS = new Set(['low', 'medium', 'high', 'xhigh', 'max']);

/** The refusal Bedrock would answer with, or nothing where it would accept the request. */
export function refusal(input: any): string | undefined {
  return inference(input) ?? tools(input) ?? conversation(input) ?? cachePoints(input);
}

function inference({ inferenceConfig: c, guardrailConfig: g, outputConfig: o, system }: any): string | undefined {
  if (c?.maxTokens !== undefined && !(c.maxTokens >= 1)) return 'inferenceConfig.maxTokens must be at least 1';
  if (c?.temperature !== undefined && !(c.temperature >= 0 && c.temperature <= 1))
    return 'inferenceConfig.temperature must be between 0 and 1';
  if (c?.topP !== undefined && !(c.topP >= 0 && c.topP <= 1)) return 'inferenceConfig.topP must be between 0 and 1';
  if (g && !(g.guardrailIdentifier && g.guardrailVersion)) return 'guardrailConfig needs an identifier and a version';
  if (o?.effort !== undefined && !EFFORTS.has(o.effort)) return `outputConfig.effort: ${o.effort} is not known`;
  if (o?.textFormat && typeof JSON.parse(o.textFormat.structure.jsonSchema.schema) !== 'object')
    return 'outputConfig.textFormat: the schema is no object';
  const blank = system?.findIndex((b: any) => b.text !== undefined && !b.text.trim());
  if (blank >= 0)
    return `The text field in the SystemContentBlock object at system.${blank} is blank. Add text to the text field, and try again.`;
  return undefined;
}

function tools({ toolConfig, messages }: any): string | undefined {
  const used = messages?.some((m: any) => m.content?.some((b: any) => b.toolUse || b.toolResult));
  if (used && !toolConfig) return 'The toolConfig field must be defined when using toolUse and toolResult content blocks.';
  if (!toolConfig) return undefined;
  const specs = toolConfig.tools.filter((t: any) => t.toolSpec).map((t: any) => t.toolSpec);
  if (!specs.length) return 'toolConfig.tools must hold at least one tool';
  for (const spec of specs) {
    if (!NAME.test(spec.name))
      return `1 validation error detected: Value '${spec.name}' at 'toolConfig.tools.1.member.toolSpec.name' failed to satisfy constraint`;
    if (spec.description === '') return 'toolSpec.description must have at least 1 character';
    if (spec.inputSchema?.json?.type !== 'object')
      return `The value at toolConfig.tools.${spec.name}.toolSpec.inputSchema.json.type must be one of the following: object.`;
  }
  if (new Set(specs.map((s: any) => s.name)).size < specs.length) return 'toolConfig.tools: tool names must be unique';
  return undefined;
}

function conversation({ messages }: any): string | undefined {
  if (!messages?.length) return 'messages must hold at least one message';
  if (messages[0].role !== 'user')
    return 'A conversation must start with a user message. Try again with a conversation that starts with a user message.';
  const documents = new Set<string>();
  let asked: string[] = [];
  for (const [i, { role, content }] of messages.entries()) {
    if (i && messages[i - 1].role === role)
      return 'A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.';
    if (!content?.length)
      return `The content field in the Message object at messages.${i} is empty. Add a ContentBlock object to the content field and try again.`;
    const results = content.filter((b: any) => b.toolResult).map((b: any) => b.toolResult.toolUseId);
    if (asked.length && !asked.every((id) => results.includes(id)))
      return `Expected toolResult blocks at messages.${i}.content for the following Ids: ${asked}`;
    if (!results.every((id: string) => asked.includes(id)))
      return `The number of toolResult blocks at messages.${i}.content exceeds the number of toolUse blocks of previous turn.`;
    asked = content.filter((b: any) => b.toolUse).map((b: any) => b.toolUse.toolUseId);
    for (const [j, b] of content.entries()) {
      const wrong = block(b, role, `messages.${i}.content.${j}`);
      if (wrong) return wrong;
      for (const d of [b, ...(b.toolResult?.content ?? [])].flatMap((x: any) => (x.document ? [x.document] : []))) {
        if (documents.has(d.name)) return `Duplicate document name ${d.name}`;
        documents.add(d.name);
      }
    }
    if (content.some((b: any) => b.document) && !content.some((b: any) => b.text))
      return 'A document needs a text block in the same message';
  }
  return undefined;
}

function block(b: any, role: string, at: string): string | undefined {
  const keys = Object.keys(b);
  if (keys.length !== 1) return `ContentBlock object at ${at} must set one of its keys, has ${keys}`;
  if (b.text !== undefined && !b.text.trim())
    return `The text field in the ContentBlock object at ${at} is blank. Add text to the text field, and try again.`;
  if (role !== 'user' && (b.image || b.document || b.toolResult)) return `${keys} at ${at} is for the user role only`;
  if (role !== 'assistant' && (b.toolUse || b.reasoningContent)) return `${keys} at ${at} is for the assistant role only`;
  if (b.toolUse) {
    if (!NAME.test(b.toolUse.name) || !NAME.test(b.toolUse.toolUseId)) return `Value at ${at}.toolUse failed to satisfy constraint`;
    if (!object(b.toolUse.input))
      return `The format of the value at ${at}.toolUse.input is invalid. Provide a json object for the field and try again.`;
  }
  if (b.document && !DOCUMENT_NAME.test(b.document.name))
    return `The document file name ${b.document.name} at ${at} has characters it cannot have`;
  if (b.toolResult) {
    if (!NAME.test(b.toolResult.toolUseId)) return `Value at ${at}.toolResult failed to satisfy constraint`;
    if (!b.toolResult.content?.length) return `The content field in the ToolResultBlock object at ${at} is empty`;
    for (const [k, c] of b.toolResult.content.entries()) {
      if (c.text !== undefined && !c.text.trim())
        return `The text field in the ToolResultContentBlock object at ${at}.toolResult.content.${k} is blank`;
      if ('json' in c && !object(c.json))
        return `The format of the value at ${at}.toolResult.content.${k}.json is invalid. Provide a json object for the field and try again.`;
      if (c.document && !DOCUMENT_NAME.test(c.document.name))
        return `The document file name ${c.document.name} has characters it cannot have`;
    }
  }
  return undefined;
}

function cachePoints({ system, messages, toolConfig }: any): string | undefined {
  const blocks = [...(system ?? []), ...(toolConfig?.tools ?? []), ...messages.flatMap((m: any) => m.content)];
  const points = blocks.filter((b: any) => b.cachePoint).length;
  if (points > 4) return `A maximum of 4 blocks with cache_control may be provided. Found ${points}.`;
  for (const list of [system, toolConfig?.tools, ...messages.map((m: any) => m.content)])
    if (list?.[0]?.cachePoint) return 'A cache point must follow what it caches';
  return undefined;
}

const object = (v: unknown): boolean => typeof v === 'object' && v !== null && !Array.isArray(v);
