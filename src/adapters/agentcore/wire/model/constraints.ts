/** Lengths, patterns, ranges and enums of members, which the official npm clients do not have: a table of our own, in `limits`. */
import { GATEWAY } from './limits/gateway.ts';
import { IDENTITY } from './limits/identity.ts';
import type { Constraint, Limits } from './limits/limit.ts';
import { MEMORIES } from './limits/memory.ts';
import { POLICIES } from './limits/policy.ts';
import { problemsIn } from './limits/problems.ts';
import { RUNTIME } from './limits/runtime.ts';
import { model, type Plane } from './model.ts';

const TABLES = [RUNTIME, MEMORIES, IDENTITY, GATEWAY, POLICIES];

/** By the name of the shape, and of its member. */
export const CONSTRAINTS: Readonly<Record<Plane, Limits>> = {
  data: Object.assign({}, ...TABLES.map(({ data }) => data)),
  control: Object.assign({}, ...TABLES.map(({ control }) => control)),
};

/** All that is wrong with a value, in the words of AWS. */
export const problemsOf = (plane: Plane, value: unknown, constraint: Constraint): string[] =>
  problemsIn(value, constraint, (name) => model().enums[plane][name]);
