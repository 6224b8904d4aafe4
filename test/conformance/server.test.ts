import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REVISIONS, SERVER_REASONS } from './expected-server.ts';
import { conformingServer } from './server.ts';
import { type Suite, serverScenario, serverScenariosOf } from './suite.ts';

const SUITES: Readonly<Record<(typeof REVISIONS)[number], readonly Suite[]>> = {
  '2025-11-25': ['mcp-conformance', 'mcp-conformance-next'],
  '2026-07-28': ['mcp-conformance-next'],
};
const all = await Promise.all(
  REVISIONS.flatMap((revision) =>
    SUITES[revision].map(async (suite) => ({
      revision,
      suite,
      scenarios: await serverScenariosOf(suite, revision),
      reasons: SERVER_REASONS[revision],
    })),
  ),
);

let server: Awaited<ReturnType<typeof conformingServer>>;
beforeAll(async () => {
  server = await conformingServer(true);
});
afterAll(() => server.close());

describe.concurrent.each(all)('server scenarios of $suite for $revision', ({ revision, suite, scenarios, reasons }) => {
  it('are all known', () => {
    expect(scenarios.length).toBeGreaterThan(20);
  });

  for (const name of scenarios)
    it(reasons[name] === undefined ? name : `${name} does not pass: ${reasons[name]}`, async () => {
      const { passed, failed, output } = await serverScenario(suite, name, { url: server.url, revision });
      if (reasons[name] !== undefined) return expect(failed.length > 0 || passed === 0, 'it passes now: take it off the list').toBe(true);
      // one that says nothing has not run
      expect(passed, output).toBeGreaterThan(0);
      expect(failed, output).toEqual([]);
    });
});

it('has no reason for a scenario that there is not', () => {
  for (const revision of REVISIONS) {
    const known = new Set(all.filter((one) => one.revision === revision).flatMap(({ scenarios }) => scenarios));
    expect(Object.keys(SERVER_REASONS[revision]).filter((name) => !known.has(name))).toEqual([]);
  }
});
