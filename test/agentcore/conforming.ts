import { CONSTRAINTS } from '../../src/adapters/agentcore/wire/model/constraints.ts';
import type { Constraint } from '../../src/adapters/agentcore/wire/model/limits/limit.ts';
import { type Binding, model, type Operation, type Plane, type Ref, shapeOf } from '../../src/adapters/agentcore/wire/model/model.ts';

/** Texts that a pattern may take, and that stay so with letters or digits before or after. */
const SEEDS = [
  '',
  '1',
  'a@b',
  '1#a',
  'a.b.c',
  'mem-a',
  'https://a',
  '/mnt/a',
  'sg-12345678',
  'subnet-12345678',
  'vpc-12345678',
  'demo-abcdefghij',
  'abcdefghij',
  'toolName',
  '$.context.jwt.a',
  '1.1.1',
  's3://a',
  '/a/*',
  '/a',
  '00000000-0000-0000-0000-000000000000',
  'arn:aws:lambda:us-east-1:123456789012:function:a',
  'arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/a-abcdefghij',
  'arn:aws:bedrock-agentcore:us-east-1:123456789012:policy-engine/a-abcdefghij',
  'arn:aws:bedrock-agentcore:us-east-1:123456789012:configuration-bundle/a-abcdefghij',
  `rcfg-${'1'.repeat(17)}`,
  'client_secret_post',
  'https://a/.well-known/openid-configuration',
  'urn:ietf:params:oauth:request_uri:a',
  '123456789012',
  '123456789012.dkr.ecr.us-east-1.amazonaws.com/demo:a',
  'arn:aws:iam::123456789012:role/a',
  'arn:aws:sns:us-east-1:123456789012:a',
  'arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/a',
  'arn:aws:bedrock-agentcore:us-east-1:123456789012:memory/demo-abcdefghij',
  'arn:aws:bedrock-agentcore:us-east-1:123456789012:capacity-provider/demo-abcdefghij',
  `arn:aws:kms:us-east-1:123456789012:key/${'1'.repeat(36)}`,
  `arn:aws:s3files:us-east-1:123456789012:file-system/fs-${'1'.repeat(17)}/access-point/fsap-${'1'.repeat(17)}`,
  `arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-${'1'.repeat(17)}`,
];

/** A text of this length that has the pattern; undefined if none was found. */
export function textOf(length: number, pattern: string | undefined): string | undefined {
  const like = new RegExp(`^(?:${pattern ?? '.*'})$`);
  return SEEDS.filter((seed) => seed.length <= length)
    .flatMap((seed) => [seed.padEnd(length, 'a'), seed.padEnd(length, '1'), seed.padStart(length, 'a')])
    .find((text) => like.test(text));
}

function textFor(plane: Plane, { min = 0, max = 4096, pattern, oneOf }: Constraint): string {
  if (oneOf !== undefined) return model().enums[plane][oneOf]?.[0] as string;
  for (const length of [Math.max(min, 1), ...SEEDS.map((seed) => seed.length)]) {
    const text = length >= min && length <= max ? textOf(length, pattern) : undefined;
    if (text !== undefined) return text;
  }
  throw new Error(`no text was found for ${pattern}`);
}

const KEY = 'key';

/** A value that the service takes: as short as can be, with the required members only. */
export function conforming(plane: Plane, type: Ref, constraint: Constraint = {}): unknown {
  if (typeof type === 'object') {
    if ('shape' in type) return structure(plane, type.shape);
    // an empty list in a query is none
    const size = Math.max(constraint.min ?? 1, 1);
    return 'list' in type ? listOf(plane, type.list, constraint, size) : mapOf(plane, type.map, constraint, size);
  }
  if (type === 'string') return textFor(plane, constraint);
  if (type === 'number') return constraint.min ?? 1;
  if (type === 'boolean') return true;
  if (type === 'epoch' || type === 'iso') return new Date(0);
  return type === 'document' ? {} : new Uint8Array([1]);
}

export const listOf = (plane: Plane, type: Ref, { each }: Constraint, length: number) =>
  Array.from({ length }, () => conforming(plane, type, each));

export const mapOf = (plane: Plane, type: Ref, { each, keys }: Constraint, size: number) =>
  Object.fromEntries(Array.from({ length: size }, (_, i) => [keyOf(i, keys?.pattern), conforming(plane, type, each)]));

/** A name, or a claim of a token where names are of a few. */
const keyOf = (i: number, pattern = '.*') => (new RegExp(`^(?:${pattern})$`).test(`${KEY}${i}`) ? '' : '$.context.jwt.') + KEY + i;

function structure(plane: Plane, name: string): Record<string, unknown> {
  const { union, members } = shapeOf(plane, name);
  const entries = Object.entries(members).filter(([, { required }], i) => (union ? i === 0 : required));
  const limits = CONSTRAINTS[plane][name] ?? {};
  return Object.fromEntries(entries.map(([member, { type }]) => [member, conforming(plane, type, limits[member])]));
}

/** A member that has limits, and how an input gets there: members, places in lists and keys of maps. */
export interface Limited {
  readonly operation: Operation;
  readonly path: readonly (string | number)[];
  readonly type: Ref;
  readonly constraint: Constraint;
  readonly binding?: Binding | undefined;
}

/** Each member that has limits, once, in the first operation that has it. */
export function limited(plane: Plane): Limited[] {
  const found: Limited[] = [];
  const seen = new Set<string>();
  const within = (operation: Operation, type: Ref, path: Limited['path']): void => {
    if (typeof type !== 'object') return;
    if ('list' in type) within(operation, type.list, [...path, 0]);
    else if ('map' in type) within(operation, type.map, [...path, KEY]);
    else if (!seen.has(type.shape)) inStructure(operation, type, path);
  };
  const inStructure = (operation: Operation, type: { shape: string }, path: Limited['path']): void => {
    seen.add(type.shape);
    const limits = CONSTRAINTS[plane][type.shape] ?? {};
    for (const [name, { type: of, binding }] of Object.entries(shapeOf(plane, type.shape).members)) {
      const { [name]: constraint } = limits;
      if (constraint) found.push({ operation, path: [...path, name], type: of, constraint, binding });
      within(operation, of, [...path, name]);
    }
  };
  for (const operation of model().operations) if (operation.plane === plane) within(operation, { shape: operation.input }, []);
  return found;
}

/** An input that is as short as can be, but for this value at this place. */
export function inputWith({ operation: { plane, input }, path }: Limited, value: unknown): Record<string, unknown> {
  const put = (type: Ref, [step, ...rest]: readonly (string | number)[], limits: Constraint = {}): unknown => {
    if (step === undefined) return value;
    if (typeof type !== 'object') throw new Error(`there is no ${step} in a ${type}`);
    if ('list' in type) return [put(type.list, rest), ...listOf(plane, type.list, limits, (limits.min ?? 1) - 1)];
    if ('map' in type) return { [step]: put(type.map, rest) };
    const { members, union } = shapeOf(plane, type.shape);
    const member = members[step];
    if (!member) throw new Error(`${type.shape} has no ${step}`);
    return { ...(union ? {} : structure(plane, type.shape)), [step]: put(member.type, rest, CONSTRAINTS[plane][type.shape]?.[step]) };
  };
  return put({ shape: input }, path) as Record<string, unknown>;
}

/** The path as the service names it. */
export const nameOf = ({ path }: Limited): string => path.map((step) => (typeof step === 'number' ? `${step + 1}.member` : step)).join('.');
