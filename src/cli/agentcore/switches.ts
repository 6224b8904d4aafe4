/** Points on which sources disagree, and the ways of each. The first is what the local server does by default. */
import type { ServiceOptions } from '../../adapters/agentcore/wire/index.ts';
import { Unusable } from '../io.ts';

type Ways = {
  readonly [P in keyof ServiceOptions]-?: { readonly [N in keyof ServiceOptions[P] & string]?: readonly ServiceOptions[P][N][] };
};

/** By the part of the options of `startAgentCore()`. */
const SWITCHES = {
  sessions: { untimed: ['reap', 'protect'] },
  gateways: { pings: ['intercepted', 'passed'] },
  identity: { providerArns: ['bedrock-agentcore', 'acps'] },
  memory: { namespace: ['within', 'exact'], mainBranch: ['omitted', 'named'], shortestExpiry: [3, 7] },
} as const satisfies Ways;

const all = Object.entries(SWITCHES).flatMap(([part, points]) =>
  Object.entries(points).map(([name, ways]: [string, readonly (string | number)[]]) => ({ part, name, ways })),
);

/** Each as it is written on a command line. */
export const WRITTEN: readonly string[] = all.map(({ name, ways }) => `${name}=${ways.join('|')}`);

/** @param texts such as `namespace=exact`. The last of a name counts. */
export function switched(texts: readonly string[]): ServiceOptions {
  const options: Record<string, Record<string, unknown>> = {};
  for (const text of texts) {
    const [, name, value] = /^(\w+)=(.+)$/.exec(text) ?? [];
    const point = all.find((one) => one.name === name);
    const way = point?.ways.find((one) => String(one) === value);
    if (!point || way === undefined) throw new Unusable(`--switch ${text}: it is one of ${WRITTEN.join(', ')}.`);
    options[point.part] = { ...options[point.part], [point.name]: way };
  }
  return options as ServiceOptions;
}
