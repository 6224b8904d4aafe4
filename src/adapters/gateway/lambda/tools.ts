/** The tools of an AWS Lambda function, called as AgentCore Gateway calls it. */
import { invalid, ToolError } from '../../../errors.ts';
import type { Json, JsonObject } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { jsonSchema } from '../../../json-schema.ts';
import {
  checkForeignTools,
  checkNamedTools,
  FOREIGN_TOOL_EXAMPLES,
  type ForeignToolOptions,
  givenOptions,
  own,
} from '../../../loop/tools/foreign-tools.ts';
import { tool } from '../../../loop/tools/tool.ts';
import { checkOptions } from '../../../options.ts';
import type { Tool, ToolSource } from '../../../ports/tool.ts';
import { bounded } from '../../../reliability/classify.ts';
import type { JsonSchema } from '../../../schema.ts';
import type { SigningKeys } from '../../../server/sigv4.ts';
import { defaultKeys } from '../../aws/default-keys.ts';
import { type Invoke, type Invoked, inProcess, type LambdaHandler, placeOf, remote } from './invoke.ts';

/** A tool, as in `toolSchema.inlinePayload` of AgentCore. */
export interface LambdaTool {
  name: string;
  description: string;
  inputSchema: JsonSchema;
}

export interface LambdaOptions extends Omit<ForeignToolOptions, 'prefix' | 'allow'> {
  /** The function: its name, or its ARN, which says the region. Of a handler, its name in the context. */
  function?: string;
  /** A version or an alias. */
  qualifier?: string;
  /** Default: that of the ARN, else `AWS_REGION`. */
  region?: string;
  /** Default: the address of Lambda in the region. */
  endpoint?: string;
  /** Default: the keys of this process. */
  keys?: () => SigningKeys | Promise<SigningKeys>;
  /** Runs the function in this process instead: the handler itself, or `./refund.mjs#handler`, a file from the working directory and its export. */
  handler?: string | LambdaHandler;
  /** Your own way to call the function, such as a client of the AWS SDK. */
  invoke?: Invoke;
  /** What the function can do. It is told by the client context which tool is called. */
  tools: readonly LambdaTool[];
  /** What the function is told as the names of the gateway and the target, of which it cuts `TARGET___`. Default `local` and `lambda`. */
  gateway?: string;
  target?: string;
}

const EXAMPLES = {
  tools: "tools: [{ name: 'refund', description: '...', inputSchema: { type: 'object' } }]",
  function: "function: 'arn:aws:lambda:us-east-1:123456789012:function:refund'",
  qualifier: "qualifier: 'prod'",
  region: "region: 'us-east-1'",
  endpoint: "endpoint: 'http://127.0.0.1:4566'",
  keys: 'keys: () => keys()',
  handler: "handler: './refund.mjs#handler'",
  invoke: 'invoke: (invocation) => call(invocation)',
  gateway: "gateway: 'gw-a1b2c3d4e5'",
  target: "target: 'refunds'",
  effects: FOREIGN_TOOL_EXAMPLES.effects,
  intents: FOREIGN_TOOL_EXAMPLES.intents,
  approval: FOREIGN_TOOL_EXAMPLES.approval,
  timeout: FOREIGN_TOOL_EXAMPLES.timeout,
  deadline: FOREIGN_TOOL_EXAMPLES.deadline,
  retry: FOREIGN_TOOL_EXAMPLES.retry,
  breaker: FOREIGN_TOOL_EXAMPLES.breaker,
  maxBytes: FOREIGN_TOOL_EXAMPLES.maxBytes,
} satisfies { [K in keyof LambdaOptions]-?: string };

const WHERE = 'lambdaTools()';

/**
 * Tools of a function: its event is the arguments, and `clientContext.custom` has the names that AgentCore sends, of which `bedrockAgentCoreToolName` is
 * `target___tool`. All are `once` unless `effects` says more. A function that throws ends as ToolError `FUNCTION_ERROR` (`TIMEOUT` for its own time limit), whose
 * outcome is unknown; errors of Lambda itself have the codes of HTTP.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function lambdaTools(o: LambdaOptions): ToolSource {
  checkOptions(o, EXAMPLES, WHERE);
  if (!Array.isArray(o.tools) || o.tools.length === 0) throw invalid(`${WHERE} needs the tools of the function: { ${EXAMPLES.tools} }.`);
  const names = o.tools.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw invalid(`${WHERE}: two tools are named "${twice}".`);
  checkForeignTools(o, WHERE);
  checkNamedTools(o, names, WHERE);
  const invoke = invokeOf(o);
  const tools = o.tools.map((declared) => toolOf(declared, o, invoke));
  return { name: o.target ?? o.function ?? 'lambda', open: async () => ({ list: async () => tools, close: async () => {} }) };
}

function invokeOf(o: LambdaOptions): Invoke {
  const { function: name, handler, invoke } = o;
  if (invoke && handler) throw invalid(`${WHERE} takes either handler or invoke.`);
  if (invoke) return invoke;
  if (handler !== undefined) {
    if (typeof handler === 'string') placeOf(handler, WHERE);
    return inProcess(handler, shortName(name ?? 'local'), WHERE);
  }
  if (!name) throw invalid(`${WHERE} needs the function, a handler, or invoke: { ${EXAMPLES.function} }.`);
  const region = o.region ?? /^arn:aws[\w-]*:lambda:([a-z0-9-]+):/.exec(name)?.[1] ?? process.env.AWS_REGION;
  if (!region) throw invalid(`${WHERE}: the region of the function is not known: { ${EXAMPLES.region} }.`);
  return remote({
    name,
    region,
    keys: o.keys ?? defaultKeys(WHERE),
    ...(o.qualifier !== undefined && { qualifier: o.qualifier }),
    ...(o.endpoint !== undefined && { endpoint: o.endpoint }),
  });
}

const shortName = (name: string) => /function:([\w-]+)/.exec(name)?.[1] ?? name;

function toolOf({ name, description, inputSchema }: LambdaTool, o: LambdaOptions, invoke: Invoke): Tool {
  const { gateway = 'local', target = 'lambda' } = o;
  return tool({
    name,
    description,
    input: jsonSchema<JsonObject>(inputSchema),
    effect: own(o.effects ?? {}, name) ?? 'once',
    ...givenOptions(o, name),
    async execute(event, { signal, deadline, callId, idempotencyKey }) {
      const custom = {
        bedrockAgentCoreMessageVersion: '1.0',
        // the same for every attempt, so that a function can tell a repetition
        bedrockAgentCoreAwsRequestId: idempotencyKey,
        bedrockAgentCoreMcpMessageId: callId,
        bedrockAgentCoreGatewayId: gateway,
        bedrockAgentCoreTargetId: target,
        bedrockAgentCoreToolName: `${target}___${name}`,
      };
      const invoked = await invoke({ event, clientContext: { custom }, signal, deadline });
      if (invoked.error) throw thrownBy(shortName(o.function ?? target), invoked);
      return invoked.payload;
    },
  });
}

/** The function began: what it did before it threw is not known. */
function thrownBy(name: string, { error, payload }: Invoked): ToolError {
  const { errorType, errorMessage } = (isObject(payload) ? payload : {}) as { [field: string]: Json };
  const said = [errorType, errorMessage].filter((text) => typeof text === 'string' && text !== '').join(': ');
  const late = typeof errorMessage === 'string' && /Task timed out/.test(errorMessage);
  // a process that ended may do better the next time; an exception of the code is the same again
  const gone = error === 'Unhandled' && typeof errorType === 'string' && /^(Runtime\.ExitError$|Sandbox\.)/.test(errorType);
  return new ToolError(late ? 'TIMEOUT' : 'FUNCTION_ERROR', bounded(`function "${name}" failed: ${said || 'it does not say why'}`), {
    outcome: 'unknown',
    retryable: late || gone,
  });
}
