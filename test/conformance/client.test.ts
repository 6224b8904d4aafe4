import { describe, expect, it } from 'vitest';
import { REASONS } from './expected.ts';
import { clientScenario, type Suite, scenariosOf } from './suite.ts';

const suites: Suite[] = ['mcp-conformance', 'mcp-conformance-next'];
const all = await Promise.all(suites.map(async (suite) => ({ suite, scenarios: await scenariosOf(suite), reasons: REASONS[suite] })));

describe.concurrent.each(all)('client scenarios of $suite', ({ suite, scenarios, reasons }) => {
  it('are all known', () => {
    expect(scenarios.length).toBeGreaterThan(20);
    expect(Object.keys(reasons).filter((name) => !scenarios.includes(name))).toEqual([]);
  });

  // it measures half a second, so it is tried again where the machine is slow
  const timed = { retry: 5 };
  for (const name of scenarios.filter((one) => !reasons[one]))
    it(name, name === 'sse-retry' ? timed : {}, async () => {
      const { passed, failed, output } = await clientScenario(suite, name);
      // one that says nothing has not run
      expect(passed, output).toBeGreaterThan(0);
      expect(failed, output).toEqual([]);
    });

  it.each(Object.entries(reasons))('%s does not pass: %s', async (name) => {
    const { passed, failed } = await clientScenario(suite, name);
    expect(failed.length > 0 || passed === 0, 'it passes now: take it off the list').toBe(true);
  });
});
