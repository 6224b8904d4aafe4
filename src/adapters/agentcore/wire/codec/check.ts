/** What the service refuses in an input that could be read. */
import { CONSTRAINTS, problemsOf } from '../model/constraints.ts';
import { type Operation, type Plane, type Ref, shapeOf } from '../model/model.ts';
import { because, type Field, invalidInput } from './error.ts';

export type Input = Readonly<Record<string, unknown>>;

interface Problem extends Field {
  /** The message of the service, if it has one of its own. */
  readonly told?: string | undefined;
}

/** @throws AwsError `ValidationException` with every member that is missing or that the service refuses. */
export function check({ plane, input: shape }: Pick<Operation, 'plane' | 'input'>, input: Input): void {
  const problems = inStructure(plane, shape, input, '');
  const [first] = problems;
  if (!first) return;
  const fields = problems.map(({ name, message }) => ({ name, message }));
  const refused = invalidInput(fields);
  throw first.told === undefined ? refused : because(invalidInput(fields, 'FieldValidationFailed', first.told), refused.message);
}

function inStructure(plane: Plane, name: string, value: Input, at: string): Problem[] {
  const constraints = CONSTRAINTS[plane][name] ?? {};
  return Object.entries(shapeOf(plane, name).members).flatMap(([member, { required, type }]): Problem[] => {
    const path = at === '' ? member : `${at}.${member}`;
    const found = value[member];
    if (found === undefined) return required ? [{ name: path, message: 'Member must not be null' }] : [];
    const { [member]: constraint } = constraints;
    const own = constraint ? problemsOf(plane, found, constraint) : [];
    return [...own.map((message) => ({ name: path, message, told: constraint?.told })), ...within(plane, type, found, path)];
  });
}

function within(plane: Plane, type: Ref, value: unknown, at: string): Problem[] {
  if (typeof type !== 'object') return [];
  if ('list' in type) return (value as readonly unknown[]).flatMap((item, i) => within(plane, type.list, item, `${at}.${i + 1}.member`));
  if ('map' in type) return Object.entries(value as object).flatMap(([key, item]) => within(plane, type.map, item, `${at}.${key}`));
  return inStructure(plane, type.shape, value as Input, at);
}
