/** Cedar's engine, a WebAssembly module of 4 MB: an optional peer, loaded for the first policy. */
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import { invalid } from '../../errors.ts';
import { lazy } from '../../flight.ts';

export type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs');

/** @throws RondoError `CONFIG_INVALID` without the package. */
export const cedar = lazy(
  (): Promise<Cedar> =>
    import('@cedar-policy/cedar-wasm/nodejs').then(
      // a CommonJS module: its types do not say that Node gives it a default too
      (module) => (module as { default?: Cedar }).default ?? module,
      (cause: unknown) => {
        throw invalid('Policies in Cedar need the package @cedar-policy/cedar-wasm. Run `npm install @cedar-policy/cedar-wasm`.', {
          cause,
        });
      },
    ),
);

/** A schema in Cedar's own syntax. */
export function schemaText(module: Cedar, schema: SchemaJson<string>): string {
  const answer = module.schemaToText(schema);
  return answer.type === 'success' ? answer.text : '';
}

/** The module keeps what is prepared until another set has its name, so a name whose owner is gone is used again. */
const free: string[] = [];
let made = 0;
const owners = new FinalizationRegistry<{ module: Cedar; name: string }>(({ module, name }) => {
  module.preparsePolicySet(name, { staticPolicies: '' });
  free.push(name);
});

/** Policies by id that are parsed once. @param owner as long as it is referenced, the set stays. @returns the name of the set. */
export function prepared(module: Cedar, policies: ReadonlyMap<string, string>, owner: object): string {
  const name = free.pop() ?? `rondo-${++made}`;
  owners.register(owner, { module, name });
  const answer = module.preparsePolicySet(name, { staticPolicies: Object.fromEntries(policies) });
  if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '));
  return name;
}
