/** Guardrails of Amazon Bedrock, applied to values of their own: what ApplyGuardrail is asked, and how its answer is read. */
import type { ApplyGuardrailResponse, BedrockRuntimeClient, GuardrailContentBlock, GuardrailUsage } from '@aws-sdk/client-bedrock-runtime';
import { invalid, ToolError } from '../../errors.ts';
import { textsOf, withTexts } from '../../hitl/texts.ts';
import { checkOptions } from '../../options.ts';
import type { Finding, Guardrail, GuardrailRequest, GuardrailRuling } from '../../ports/guardrail.ts';
import type { Message } from '../../ports/model.ts';
import { isName } from '../../ports/principal.ts';
import { clientFor, loadSdk } from './client.ts';
import { failure } from './errors.ts';

export interface BedrockGuardrailOptions {
  /** Its id or ARN, and its version: a number, or `DRAFT`. */
  id: string;
  version: string;
  /** Default: the AWS SDK's, from `AWS_REGION` or the profile. */
  region?: string;
  /** Another endpoint: a VPC endpoint, a proxy, a local stand-in. */
  endpoint?: string;
  /** Your own client, instead of the shared one. */
  client?: BedrockRuntimeClient;
  /** Checks answers against the results of the run's tools, for a guardrail with contextual grounding. Default false. */
  grounding?: boolean;
  /**
   * US dollars per 1,000 text units of each kind of policy: what checks cost is part of the run's cost. Where a kind was used that has no price here, the
   * cost of the run is unknown, so a run with a limit `costUsd` stops.
   */
  prices?: Readonly<Partial<Record<BilledPolicy, number>>>;
  /** Default: everything. */
  points?: Guardrail['points'];
  /** In verdicts. Default `bedrock`. */
  name?: string;
  /** Milliseconds for all requests of a check. Default 10,000. */
  timeout?: number;
}

/** Kinds of policy that are billed by text units. */
export type BilledPolicy = 'topic' | 'content' | 'sensitiveInformation' | 'contextualGrounding' | 'automatedReasoning';

const OPTIONS = {
  id: "id: 'gr-1'",
  version: "version: '1'",
  region: "region: 'us-east-1'",
  endpoint: "endpoint: 'https://host'",
  client: 'client: new BedrockRuntimeClient({})',
  grounding: 'grounding: true',
  prices: 'prices: { content: 0.15 }',
  points: "points: ['output']",
  name: "name: 'bedrock'",
  timeout: 'timeout: 5_000',
} satisfies Record<keyof BedrockGuardrailOptions, string>;

/** Most characters of the texts of one request, so that it stays below the units that an account has per second by default. */
const MOST_CHARS = 20_000;
/** Characters on each side of a cut that are asked about together: what lies across it is whole in neither piece. */
const SEAM = 500;
/** Most characters of what contextual grounding compares, by its documentation. */
const GROUNDING = { source: 100_000, query: 1_000, answer: 5_000 };

/**
 * A guardrail of Amazon Bedrock for `new Engine({ guardrails })`, by ApplyGuardrail. It is asked about texts; images are not sent. Needs
 * `@aws-sdk/client-bedrock-runtime`, and the permission `bedrock:ApplyGuardrail`.
 * @throws RondoError `CONFIG_INVALID`
 */
export function bedrockGuardrail(o: BedrockGuardrailOptions): Guardrail {
  checkOptions(o, OPTIONS, 'bedrockGuardrail()');
  if (!isName(o.id) || !isName(o.version))
    throw invalid('bedrockGuardrail() needs an id and a version, such as { id: "gr-1", version: "1" }.');
  if (o.client && (o.region !== undefined || o.endpoint !== undefined))
    throw invalid('bedrockGuardrail(): region and endpoint belong to the client you passed; give one or the other.');
  return {
    name: o.name ?? 'bedrock',
    ...(o.points && { points: o.points }),
    ...(o.timeout !== undefined && { timeout: o.timeout }),
    check: (r) => check(o, r),
  };
}

async function check(o: BedrockGuardrailOptions, r: GuardrailRequest): Promise<GuardrailRuling> {
  const texts = textsOf(r);
  const told = texts.map(() => '');
  const findings = new Map<string, Finding>();
  const spent: Spent[] = [];
  const refusal = (answer: Answer): GuardrailRuling => ({
    action: 'block',
    ...reasonOf(answer),
    findings: [...findings.values()],
    ...costOf(o, spent),
  });
  const asked: Piece[] = [];
  for (const [of, text] of texts.entries()) {
    let rest = text;
    while (rest.length > MOST_CHARS) {
      const at = cutOf(rest);
      const seam = rest.slice(at - SEAM, at + SEAM);
      const answer = await applied(o, r, [], [{ of, text: seam }]);
      spent.push(answer.usage);
      if (blocks(answer, actionsIn(answer, new Map()))) {
        actionsIn(answer, findings);
        return refusal(answer);
      }
      // what is masked there is counted, and masked, with the piece that has the whole of it
      const end = at - SEAM + clearCut(seam, answer, o.id);
      asked.push({ of, text: rest.slice(0, end) });
      rest = rest.slice(end);
    }
    if (text.trim() !== '') asked.push({ of, text: rest });
  }
  const grounds = o.grounding === true && r.point === 'output' ? groundsOf(r.conversation, asked) : [];
  let masked = false;
  for (const batch of batchesOf(asked)) {
    const answers = await answersOf(o, r, grounds, batch);
    for (const { answer, pieces } of answers) {
      spent.push(answer.usage);
      if (blocks(answer, actionsIn(answer, findings))) return refusal(answer);
      const outputs = answer.action === 'GUARDRAIL_INTERVENED' ? (answer.outputs ?? []) : undefined;
      masked ||= outputs !== undefined;
      for (const [i, piece] of pieces.entries()) told[piece.of] += outputs ? (outputs[i]?.text ?? '') : piece.text;
    }
  }
  const rest = { findings: [...findings.values()], ...costOf(o, spent) };
  return masked ? { action: 'mask', value: withTexts(r, spaced(texts, told)), ...rest } : { action: 'allow', ...rest };
}

interface Piece {
  /** Index of the text that it is from. */
  of: number;
  text: string;
}
type Answer = ApplyGuardrailResponse;
type Spent = GuardrailUsage | undefined;

/** A blank text is not sent, and stays as it is. */
const spaced = (texts: readonly string[], told: readonly string[]) =>
  texts.map((text, i) => (text.trim() === '' ? text : (told[i] as string)));

/** Whether an answer refuses what it was asked about. An answer that names neither is read as a refusal. */
const blocks = ({ action }: Answer, seen: { blocked: boolean; masked: boolean }): boolean =>
  action === 'GUARDRAIL_INTERVENED' && (seen.blocked || !seen.masked);

/** Where a text that is too long is cut: behind a space where there is one. */
function cutOf(text: string): number {
  const space = text.lastIndexOf(' ', MOST_CHARS - 1) + 1;
  const at = space > MOST_CHARS / 2 ? space : MOST_CHARS;
  return whole(text, at);
}

/** Not between the halves of a character. */
const whole = (text: string, at: number): number => ((text.charCodeAt(at - 1) & 0xfc00) === 0xd800 ? at - 1 : at);

/**
 * Where the text around a cut can be cut: in its middle, or before what is masked there. @throws ToolError `GUARDRAIL_FAILED` if what is masked goes
 * beyond the text on both sides.
 */
function clearCut(seam: string, { action, outputs }: Answer, id: string): number {
  if (action !== 'GUARDRAIL_INTERVENED') return SEAM;
  const told = outputs?.[0]?.text ?? '';
  let same = 0;
  while (same < seam.length && seam[same] === told[same]) same++;
  let after = 0;
  while (after < seam.length - same && seam.at(-1 - after) === told.at(-1 - after)) after++;
  if (same >= SEAM || seam.length - after <= SEAM) return SEAM;
  if (same === 0) throw new ToolError('GUARDRAIL_FAILED', `guardrail "${id}" masked more of a long text than can be asked about at once.`);
  return whole(seam, same);
}

function* batchesOf(pieces: readonly Piece[]): Generator<readonly Piece[]> {
  let batch: Piece[] = [];
  let size = 0;
  for (const piece of pieces) {
    if (batch.length > 0 && size + piece.text.length > MOST_CHARS) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(piece);
    size += piece.text.length;
  }
  if (batch.length > 0) yield batch;
}

/** One answer for all pieces. If it does not say which output is whose, each piece is asked about by itself. */
async function answersOf(
  o: BedrockGuardrailOptions,
  r: GuardrailRequest,
  grounds: readonly GuardrailContentBlock[],
  pieces: readonly Piece[],
): Promise<{ answer: Answer; pieces: readonly Piece[] }[]> {
  const answer = await applied(o, r, grounds, pieces);
  const clear =
    answer.action !== 'GUARDRAIL_INTERVENED' || actionsIn(answer, new Map()).blocked || answer.outputs?.length === pieces.length;
  if (clear) return [{ answer, pieces }];
  if (pieces.length === 1) throw new ToolError('GUARDRAIL_FAILED', `guardrail "${o.id}" masked a text, and did not answer with one text.`);
  const each: { answer: Answer; pieces: readonly Piece[] }[] = [];
  for (const piece of pieces) each.push(...(await answersOf(o, r, grounds, [piece])));
  return each;
}

async function applied(
  o: BedrockGuardrailOptions,
  { point, signal }: GuardrailRequest,
  grounds: readonly GuardrailContentBlock[],
  pieces: readonly Piece[],
): Promise<Answer> {
  const sdk = await loadSdk();
  const client = clientFor(sdk, o, ATTEMPTS);
  const content = pieces.map(
    ({ text }): GuardrailContentBlock => ({ text: grounds.length > 0 ? { text, qualifiers: ['guard_content'] } : { text } }),
  );
  const command = new sdk.ApplyGuardrailCommand({
    guardrailIdentifier: o.id,
    guardrailVersion: o.version,
    // a result goes into the model, as an input does
    source: point === 'output' ? 'OUTPUT' : 'INPUT',
    content: [...grounds, ...content],
  });
  try {
    return await client.send(command, { abortSignal: signal });
  } catch (error) {
    const told = failure(error, o.id, false);
    if (!ToolError.is(told)) throw told;
    const { name, message } = error as Error;
    throw new ToolError(told.code, `ApplyGuardrail of "${o.id}" failed: ${name}: ${message.split('\n', 1)[0]}`, { cause: error });
  }
}

/** Nothing around a guardrail retries, so the SDK does. */
const ATTEMPTS = 3;

/** What the answer must be grounded in, and what was asked. Nothing without results, and for what is longer than Bedrock compares. */
function groundsOf(conversation: readonly Message[], pieces: readonly Piece[]): GuardrailContentBlock[] {
  const texts = (role: Message['role'], last: boolean) => {
    const said = conversation.filter((message) => message.role === role);
    const parts = (last ? said.slice(-1) : said).flatMap(({ content }) => content);
    return parts
      .flatMap((part) => (part.type === 'toolResult' ? part.output : [part]))
      .flatMap((part) => (part.type === 'text' && part.text.trim() !== '' ? [part.text] : []))
      .join('\n');
  };
  // the newest results are the ones that an answer is about
  const source = texts('tool', false).slice(-GROUNDING.source);
  const query = texts('user', true).slice(0, GROUNDING.query);
  const length = pieces.reduce((sum, { text }) => sum + text.length, 0);
  if (source === '' || query === '' || length > GROUNDING.answer) return [];
  return [{ text: { text: source, qualifiers: ['grounding_source'] } }, { text: { text: query, qualifiers: ['query'] } }];
}

/** What the policies of the guardrail did, added up by category in `findings`. What they matched is not read. */
function actionsIn(answer: Answer, findings: Map<string, Finding>): { blocked: boolean; masked: boolean } {
  let [blocked, masked] = [false, false];
  const note = (category: string | undefined, action: string | undefined, score?: number) => {
    blocked ||= action === 'BLOCKED';
    masked ||= action === 'ANONYMIZED';
    const key = category ?? 'OTHER';
    const finding = findings.get(key) ?? { category: key, count: 0 };
    findings.set(key, { ...finding, count: (finding.count ?? 0) + 1, ...(score !== undefined && { score }) });
  };
  for (const one of answer.assessments ?? []) {
    for (const { name, action, detected } of one.topicPolicy?.topics ?? []) if (detected !== false) note(name, action);
    for (const { type, action, detected } of one.contentPolicy?.filters ?? []) if (detected !== false) note(type, action);
    for (const { action, detected } of one.wordPolicy?.customWords ?? []) if (detected !== false) note('WORD', action);
    for (const { type, action, detected } of one.wordPolicy?.managedWordLists ?? []) if (detected !== false) note(type, action);
    for (const { type, action, detected } of one.sensitiveInformationPolicy?.piiEntities ?? []) if (detected !== false) note(type, action);
    for (const { name, action, detected } of one.sensitiveInformationPolicy?.regexes ?? [])
      if (detected !== false) note(name ?? 'REGEX', action);
    // a filter is listed with its score whether it is met or not
    for (const { type, action, score } of one.contextualGroundingPolicy?.filters ?? []) if (action === 'BLOCKED') note(type, action, score);
  }
  return { blocked, masked };
}

/** The message that the guardrail was configured with. */
function reasonOf({ outputs }: Answer): { reason?: string } {
  const reason = outputs?.[0]?.text;
  return reason ? { reason } : {};
}

const UNITS: readonly [BilledPolicy, keyof GuardrailUsage][] = [
  ['topic', 'topicPolicyUnits'],
  ['content', 'contentPolicyUnits'],
  ['sensitiveInformation', 'sensitiveInformationPolicyUnits'],
  ['contextualGrounding', 'contextualGroundingPolicyUnits'],
  ['automatedReasoning', 'automatedReasoningPolicyUnits'],
];

/** Unknown where a kind of policy was used that has no price, or an answer does not tell what it used. */
function costOf({ prices = {} }: BedrockGuardrailOptions, spent: readonly Spent[]): { usd: number } | { unpriced: true } {
  let usd = 0;
  for (const usage of spent)
    for (const [policy, field] of UNITS) {
      const units = usage?.[field] ?? (usage ? 0 : Number.NaN);
      const price = units === 0 ? 0 : prices[policy];
      if (price === undefined || !Number.isFinite(units)) return { unpriced: true };
      usd += (units * price) / 1_000;
    }
  return { usd };
}
