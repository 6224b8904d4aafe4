import { afterAll, beforeAll, expect, test } from 'vitest';
import { decode } from '../../src/adapters/agentcore/wire/codec/decode.ts';
import { CONSTRAINTS } from '../../src/adapters/agentcore/wire/model/constraints.ts';
import type { Constraint } from '../../src/adapters/agentcore/wire/model/limits/limit.ts';
import { model, type Plane } from '../../src/adapters/agentcore/wire/model/model.ts';
import { codecServer } from './codec-server.ts';
import { conforming, inputWith, type Limited, limited, listOf, mapOf, nameOf, textOf } from './conforming.ts';

const codec = codecServer(decode, () => ({}));
beforeAll(codec.start);
afterAll(codec.stop);

const PLANES: readonly Plane[] = ['data', 'control'];
const LIMITED = PLANES.flatMap(limited);
/** Larger values are not sent. */
const LARGEST = 1_000_000;

/** A value of this size; undefined if the pattern has none. */
function sized({ operation: { plane }, type, constraint, binding }: Limited, size: number): unknown {
  if (type === 'number') return size;
  // a label is never empty, and an empty header or query is none
  if (size < 0 || size > LARGEST || (size === 0 && binding && binding.in !== 'payload')) return undefined;
  if (type === 'string') return textOf(size, constraint.pattern);
  if (typeof type === 'object' && 'list' in type) return listOf(plane, type.list, constraint, size);
  return typeof type === 'object' && 'map' in type ? mapOf(plane, type.map, constraint, size) : new Uint8Array(size);
}

/** Texts that hold to a limit in no way. Those of a label and of a header have no control characters. */
function unlike({ min = 0, max = 4096, pattern, oneOf }: Constraint): string | undefined {
  if (oneOf !== undefined) return 'NOT_ONE_OF_THEM';
  if (pattern === undefined) return undefined;
  const like = new RegExp(`^(?:${pattern})$`);
  const length = Math.min(Math.max(min, 60), max);
  return ['~', ' ', '"', '$'].map((sign) => sign.repeat(length)).find((text) => !like.test(text));
}

interface Refusal {
  readonly reason: string;
  readonly message: string;
  readonly fieldList: readonly { name: string; message: string }[];
}

async function refusal(member: Limited, value: unknown): Promise<Refusal | undefined> {
  try {
    await codec.send(member.operation, inputWith(member, value));
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ name: 'ValidationException', $metadata: { httpStatusCode: 400 } });
    return error as Refusal;
  }
}

async function expectRefused(member: Limited, value: unknown, why: string): Promise<void> {
  const refused = await refusal(member, value);
  expect(refused, `${nameOf(member)} ${why}`).toBeDefined();
  const { reason, message, fieldList } = refused as Refusal;
  expect(reason).toBe('FieldValidationFailed');
  expect(fieldList.map(({ name }) => name)).toContain(nameOf(member));
  expect(fieldList.map((field) => field.message).join()).toContain(why);
  if (member.constraint.told) expect(message).toBe(member.constraint.told);
  else expect(message).toMatch(new RegExp(`^${fieldList.length} validation errors? detected: Value at '`));
}

test('each row of the table is a member of an input of the model, and names an enum of the model', () => {
  const rows = PLANES.flatMap((plane) =>
    Object.entries(CONSTRAINTS[plane]).flatMap(([shape, members]) => Object.keys(members).map((member) => `${plane} ${shape} ${member}`)),
  );
  expect(LIMITED).toHaveLength(rows.length);
  for (const { operation, constraint } of LIMITED)
    if (constraint.oneOf) expect(model().enums[operation.plane][constraint.oneOf], constraint.oneOf).toBeDefined();
});

test.each(LIMITED.map((member) => [`${member.operation.name}: ${nameOf(member)}`, member] as const))('%s', async (_, member) => {
  const { constraint, type } = member;
  const { plane } = member.operation;
  const { min, max, each, keys } = constraint;
  const what = type === 'number' ? 'value' : 'length';
  let checked = 0;
  for (const [size, refused] of [
    [min, undefined],
    [max, undefined],
    [min === undefined ? min : min - 1, `${what} greater than or equal to ${min}`],
    [max === undefined ? max : max + 1, `${what} less than or equal to ${max}`],
  ] as const) {
    const value = size === undefined ? undefined : sized(member, size);
    if (value === undefined) continue;
    checked++;
    if (refused === undefined) expect(await refusal(member, value), `${size}`).toBeUndefined();
    else await expectRefused(member, value, refused);
  }
  const value = conforming(plane, type, constraint);
  expect(await refusal(member, value)).toBeUndefined();
  const wrong = unlike(constraint);
  if (wrong !== undefined) {
    checked++;
    await expectRefused(
      member,
      wrong,
      constraint.oneOf ? 'Member must satisfy enum value set: [' : 'Member must satisfy regular expression pattern: ',
    );
  }
  for (const [inner, put, word] of [
    [each, (item: string) => (Array.isArray(value) ? [item] : { key: item }), Array.isArray(value) ? 'Member' : 'Map value'],
    [keys, (key: string) => ({ [key]: Object.values(value as object)[0] }), 'Map keys'],
  ] as const) {
    const item = inner && (unlike(inner) ?? 'a'.repeat((inner.max ?? 0) + 1));
    if (item === undefined) continue;
    checked++;
    await expectRefused(member, put(item), `${word} must satisfy constraint: [Member must `);
  }
  expect(checked).toBeGreaterThan(0);
});
