/**
 * A small STS: the query protocol over HTTP, requests checked by their signature, parameters by AWS's limits, and temporary keys that it knows again.
 * It records who did what, as CloudTrail does.
 */
import { randomBytes } from 'node:crypto';
import { listen } from 'rondo/server';
import { type Keys, verified } from '../../../src/adapters/agentcore/wire/sigv4.ts';

export const BASE: Keys = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'base/secret+key',
  sessionToken: 'base+token/of=the+process',
};
export const ROLE = 'arn:aws:iam::123456789012:role/reports';

export interface Line {
  action: string;
  /** The ARN of who called. */
  caller: string;
  parameters: Record<string, string>;
  tags: Record<string, string>;
}

export interface Sts extends AsyncDisposable {
  endpoint: string;
  trail: Line[];
  /** Answers instead, until it answers undefined. */
  before: () => Refusal | Response | undefined | Promise<Refusal | undefined>;
}

export class Refusal extends Error {
  readonly status: number;
  constructor(status: number, code: string, message = 'No.') {
    super(message);
    this.status = status;
    this.name = code;
  }
}

const xml = (text: string) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
const invalidValue = (what: string) => new Refusal(400, 'ValidationError', `1 validation error detected: ${what}`);

/** The members of a list of the query protocol. */
function listOf(p: Record<string, string>, name: string): Record<string, string> {
  const list: Record<string, string> = {};
  for (let i = 1; p[`${name}.member.${i}.Key`] !== undefined; i++) {
    const key = p[`${name}.member.${i}.Key`] as string;
    if (Object.keys(list).some((known) => known.toLowerCase() === key.toLowerCase())) throw invalidValue(`duplicate tag key ${key}`);
    list[key] = p[`${name}.member.${i}.Value`] ?? '';
  }
  return list;
}

/** The limits of AssumeRole in the API reference. */
function check(p: Record<string, string>, tags: Record<string, string>): void {
  if (!/^[\w+=,.@-]{2,64}$/.test(p.RoleSessionName ?? '')) throw invalidValue(`RoleSessionName ${p.RoleSessionName}`);
  if (!/^arn:aws:iam::\d{12}:role\/.+$/.test(p.RoleArn ?? '')) throw invalidValue('RoleArn');
  const seconds = Number(p.DurationSeconds);
  if (!(seconds >= 900 && seconds <= 43_200)) throw invalidValue('DurationSeconds');
  for (const [key, value] of Object.entries(tags)) {
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u.test(key) || /^aws:/i.test(key)) throw invalidValue(`tag key ${key}`);
    if (value.length > 256 || !/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(value)) throw invalidValue(`tag value ${value}`);
  }
  if (p.Policy !== undefined && !('Statement' in JSON.parse(p.Policy)))
    throw new Refusal(400, 'MalformedPolicyDocument', 'Syntax errors in policy.');
}

export async function stsServer(): Promise<Sts> {
  const keys = new Map<string, { keys: Keys; arn: string }>([
    [BASE.accessKeyId, { keys: BASE, arn: 'arn:aws:iam::123456789012:user/process' }],
  ]);
  const trail: Line[] = [];

  function assume(p: Record<string, string>): string {
    check(p, listOf(p, 'Tags'));
    const issued: Keys = {
      accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: randomBytes(120).toString('base64'),
    };
    const arn = `arn:aws:sts::123456789012:assumed-role/${p.RoleArn?.split('/').at(-1)}/${p.RoleSessionName}`;
    keys.set(issued.accessKeyId, { keys: issued, arn });
    const expiration = new Date(Date.now() + Number(p.DurationSeconds) * 1_000).toISOString();
    return `<Credentials><AccessKeyId>${issued.accessKeyId}</AccessKeyId><SecretAccessKey>${issued.secretAccessKey}</SecretAccessKey><SessionToken>${issued.sessionToken}</SessionToken><Expiration>${expiration}</Expiration></Credentials><AssumedRoleUser><Arn>${arn}</Arn><AssumedRoleId>AROAEXAMPLE:${p.RoleSessionName}</AssumedRoleId></AssumedRoleUser>`;
  }

  const sts: Sts = { endpoint: '', trail, before: () => undefined, [Symbol.asyncDispose]: async () => server.close({ grace: 0 }) };
  async function answer(request: Request): Promise<Response> {
    try {
      const body = Buffer.from(await request.arrayBuffer());
      const { pathname, searchParams } = new URL(request.url);
      const headers = Object.fromEntries(request.headers);
      const signed = { method: request.method, path: pathname, query: searchParams, headers, body };
      const { accessKeyId } = verified(
        signed,
        [...keys.values()].map(({ keys }) => keys),
        Date.now(),
        'sts',
      ).keys;
      const caller = keys.get(accessKeyId)?.arn as string;
      const parameters = Object.fromEntries(new URLSearchParams(body.toString()));
      const action = parameters.Action as string;
      trail.push({ action, caller, parameters, tags: listOf(parameters, 'Tags') });
      const instead = await sts.before();
      if (instead instanceof Response) return instead;
      if (instead) throw instead;
      const result =
        action === 'AssumeRole' ? assume(parameters) : `<Arn>${caller}</Arn><UserId>AIDA</UserId><Account>123456789012</Account>`;
      return new Response(
        `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></${action}Response>`,
        { headers: { 'content-type': 'text/xml' } },
      );
    } catch (error) {
      const { name, message, status = 403 } = error as Refusal;
      return new Response(
        `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${name}</Code><Message>${xml(message)}</Message></Error><RequestId>r</RequestId></ErrorResponse>`,
        { status, headers: { 'content-type': 'text/xml' } },
      );
    }
  }
  const server = await listen(answer);
  sts.endpoint = server.url;
  return sts;
}
