import { type Binding, type Plane, type Ref, shapeOf } from '../../src/adapters/agentcore/wire/model/model.ts';

/** Values of a type, made from the model: with the required members only, or with all. */
export interface Making {
  readonly all: boolean;
  /** Which member of each union, and which value of each type. */
  readonly variant: number;
}

const TEXTS = ['plain', 'a/b:c%d', 'Grüße 你好 🦆', '"quoted" \\ back', ' spaces within '];
const TIMES = [new Date(1_790_000_000_123), new Date(0), new Date(1_790_000_000_000)];
const NUMBERS = [0, 7, -3, 2.5, 1_000_000_000];
/** A structure that contains itself ends here. */
const DEEPEST = 6;

function made(plane: Plane, type: Ref, making: Making, depth = 0): unknown {
  const { variant } = making;
  const pick = <T>(list: readonly T[]): T => list[(variant + depth) % list.length] as T;
  if (typeof type === 'object') {
    if ('list' in type)
      return depth > DEEPEST ? [] : [made(plane, type.list, making, depth + 1), made(plane, type.list, making, depth + 1)];
    if ('map' in type) return depth > DEEPEST ? {} : { 'key one': made(plane, type.map, making, depth + 1) };
    return structOf(plane, type.shape, making, depth + 1);
  }
  if (type === 'string') return pick(TEXTS);
  if (type === 'number') return pick(NUMBERS);
  if (type === 'boolean') return variant % 2 === 0;
  if (type === 'epoch' || type === 'iso') return pick(TIMES);
  if (type === 'blob' || type === 'stream') return new Uint8Array([0, 255, variant, 10, 13]);
  return { deep: [1, 'x', null, { y: true }], text: pick(TEXTS) };
}

/** Headers hold ASCII; the other parts hold anything. */
function boundOf(binding: Binding | undefined, type: Ref, value: unknown): unknown {
  if (binding?.in === 'header' && type === 'string') return 'ascii-value; of=header';
  return value;
}

export function structOf(plane: Plane, name: string, making: Making, depth = 0): Record<string, unknown> {
  const { members, union } = shapeOf(plane, name);
  const entries = Object.entries(members);
  const one = entries[making.variant % Math.max(entries.length, 1)];
  const chosen = union ? (one ? [one] : []) : entries.filter(([, { required }]) => required || (making.all && depth <= DEEPEST));
  return Object.fromEntries(
    chosen
      .filter(([, { binding }]) => binding?.in !== 'status')
      .map(([member, { type, binding }]) => [member, boundOf(binding, type, made(plane, type, making, depth))]),
  );
}
