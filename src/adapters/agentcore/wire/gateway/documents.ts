/** Documents of targets that are not in their settings: files of this machine, in place of objects in S3 and exports of API Gateway. */
import { readFile, stat } from 'node:fs/promises';
import { invalid } from '../../../../errors.ts';
import type { Bound } from '../bindings.ts';
import { check, type Input } from '../codec/check.ts';
import { fromJson } from '../codec/values.ts';
import type { KeptDocument, Target } from './resources.ts';
import { checkTools, type LambdaTool, type TargetConfiguration } from './target-configuration.ts';

/** What AWS takes, in bytes. */
const LARGEST = 10 * 1024 * 1024;

const sourceOf = ({ mcp = {}, http = {} }: TargetConfiguration) =>
  mcp.lambda?.toolSchema ??
  mcp.openApiSchema ??
  mcp.smithyModel ??
  mcp.mcpServer?.mcpToolSchema ??
  (http.agentcoreRuntime ?? http.passthrough)?.schema?.source;

/** Where the document of a target is; undefined if it is in the settings, or if there is none. */
export function placeOf(configuration: TargetConfiguration): string | undefined {
  const { apiGateway } = configuration.mcp ?? {};
  return apiGateway ? `apigateway:${apiGateway.restApiId}/${apiGateway.stage}` : sourceOf(configuration)?.s3?.uri;
}

/** Reads what is bound to a place. @throws RondoError `CONFIG_INVALID`, which says what to bind. */
export async function readBound(bound: Bound, place: string): Promise<KeptDocument> {
  const path = bound.document(place);
  if (path === undefined)
    throw invalid(`Nothing is bound to ${place}. Add "${place}" with the path of a file to the bindings, such as "./document.json".`);
  const wrong = (why: string) => invalid(`The file ${path}, which is bound to ${place}, ${why}.`);
  let bytes: Uint8Array;
  try {
    const found = await stat(path);
    // a device or a pipe may have no end
    if (!found.isFile()) throw wrong('is not a file');
    const { size } = found;
    if (size > LARGEST) throw wrong(`has ${size} bytes. AWS takes documents of at most ${LARGEST}`);
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as { code?: string };
    throw code === 'CONFIG_INVALID' ? error : wrong(`cannot be read: ${code}`);
  }
  try {
    return { place, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    throw wrong('is not text in UTF-8');
  }
}

/** The document of a target. @throws RondoError `CONFIG_INVALID` if it has not been read. */
export function textOf({ document, settings: { targetConfiguration } }: Target): string {
  const place = placeOf(targetConfiguration);
  const { inlinePayload } = sourceOf(targetConfiguration) ?? {};
  if (place === undefined) return typeof inlinePayload === 'string' ? inlinePayload : '';
  // a change to another place that failed leaves the old document behind
  if (document?.place === place) return document.text;
  throw invalid(`The document ${place} was not read. Update the target when it is bound.`);
}

/** The tools of a target that is a Lambda function. @throws AwsError, or RondoError `CONFIG_INVALID`, for what is not valid as `inlinePayload` either. */
export function lambdaToolsOf(target: Target): readonly LambdaTool[] {
  const { toolSchema, lambdaArn } = target.settings.targetConfiguration.mcp?.lambda ?? {};
  if (!toolSchema?.s3) return toolSchema?.inlinePayload ?? [];
  let given: unknown;
  try {
    given = JSON.parse(textOf(target));
  } catch (cause) {
    throw invalid(`The tool schema ${toolSchema.s3.uri} is not JSON: ${(cause as Error).message}.`, { cause });
  }
  const input = 'McpLambdaTargetConfiguration';
  const read = fromJson('control', { shape: input }, { lambdaArn, toolSchema: { inlinePayload: given } }, 'lambda');
  check({ plane: 'control', input }, read as Input);
  const { inlinePayload } = (read as { toolSchema: { inlinePayload: readonly LambdaTool[] } }).toolSchema;
  checkTools(inlinePayload);
  return inlinePayload;
}
