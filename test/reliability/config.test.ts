import { describe, expect, it } from 'vitest';
import { agent, Engine, type ReliabilityConfig, reliability, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/index.ts';

const WHOLE = {
  retryPolicy: {
    maxAttempts: 3,
    retryableErrorCodes: ['THROTTLING', 'SERVICE_UNAVAILABLE'],
    backoffStrategy: 'EXPONENTIAL',
    initialDelayMs: 200,
  },
  timeoutConfig: { timeoutSeconds: 30, onTimeoutBehavior: 'RETURN_ERROR_TO_AGENT' },
  circuitBreaker: { enabled: true, failureThreshold: 5, recoveryTimeSeconds: 60 },
} satisfies ReliabilityConfig;

describe('reliability as configuration', () => {
  it('is the options of a tool', () => {
    expect(reliability(WHOLE)).toEqual({
      retry: { attempts: 3, on: ['THROTTLING', 'SERVICE_UNAVAILABLE'], initialDelay: 200 },
      timeout: 30_000,
      breaker: { failures: 5, recovery: 60_000 },
    });
    expect(reliability({})).toEqual({});
    expect(reliability({ circuitBreaker: { enabled: false, failureThreshold: 5 } })).toEqual({ breaker: false });
    expect(reliability({ timeoutConfig: { timeoutSeconds: 0.5, totalTimeoutSeconds: 90 } })).toEqual({ timeout: 500, deadline: 90_000 });
    expect(reliability({ retryPolicy: { maxDelayMs: 1_000 } })).toEqual({ retry: { maxDelay: 1_000 } });
  });

  it('keeps the longest delay, if it is fixed', () => {
    const fixed = (more: object) => reliability({ retryPolicy: { backoffStrategy: 'FIXED', ...more } });
    expect(fixed({ initialDelayMs: 40 })).toEqual({ retry: { initialDelay: 40, maxDelay: 40 } });
    expect(fixed({})).toEqual({ retry: { initialDelay: 100, maxDelay: 100 } });
    expect(() => fixed({ maxDelayMs: 1 })).toThrow(/maxDelayMs has no meaning with backoffStrategy "FIXED"/);
  });

  it('holds for the calls of a tool: attempts, codes, and the error that the agent is told', async () => {
    const calls = { busy: 0, broken: 0 };
    const flaky = (name: keyof typeof calls, code: string) =>
      tool({
        ...reliability({ ...WHOLE, retryPolicy: { ...WHOLE.retryPolicy, initialDelayMs: 1, maxDelayMs: 1 } }),
        name,
        description: name,
        input: { type: 'object' },
        effect: 'read',
        execute: () => {
          calls[name]++;
          throw new ToolError(code, 'no', { retryable: true });
        },
      });
    const model = scripted([{ toolCalls: [{ name: 'busy', input: {} }] }, { toolCalls: [{ name: 'broken', input: {} }] }, 'done']);
    await using engine = new Engine({});
    const clerk = agent({ name: 'clerk', instructions: '', model, tools: [flaky('busy', 'THROTTLING'), flaky('broken', 'OTHER')] });
    expect(await engine.run(clerk, 'go')).toMatchObject({ status: 'completed', output: 'done' });
    expect(calls).toEqual({ busy: 3, broken: 1 });
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('THROTTLING');
  });

  it.each([
    [{ retryPolicy: { maxAttemps: 3 } }, 'no field "retryPolicy.maxAttemps". Did you mean "maxAttempts"?'],
    [{ retrypolicy: {} }, 'no field "retrypolicy". Did you mean "retryPolicy"?'],
    [{ retryPolicy: { timeoutSeconds: 3 } }, 'no field "retryPolicy.timeoutSeconds". "timeoutSeconds" belongs into timeoutConfig.'],
    [{ maxAttempts: 3 }, 'no field "maxAttempts". "maxAttempts" belongs into retryPolicy.'],
    [{ limits: {} }, 'no field "limits". There are retryPolicy, timeoutConfig, circuitBreaker.'],
    [{ retryPolicy: { constructor: 1 } }, 'no field "retryPolicy.constructor"'],
    [{ retryPolicy: { maxAttempts: 0 } }, 'retryPolicy.maxAttempts must be a whole number from 1 to'],
    [{ retryPolicy: { maxAttempts: '3' } }, 'retryPolicy.maxAttempts must be a whole number from 1 to 9007199254740991, not "3"'],
    [{ retryPolicy: { retryableErrorCodes: 'THROTTLING' } }, 'retryPolicy.retryableErrorCodes must be a list of codes'],
    [{ retryPolicy: { backoffStrategy: 'exponential' } }, 'retryPolicy.backoffStrategy must be "EXPONENTIAL", not "exponential"'],
    [{ retryPolicy: { backoffStrategy: 'LINEAR' } }, 'must be "EXPONENTIAL" or "FIXED", not "LINEAR"'],
    [{ timeoutConfig: { onTimeoutBehavior: 'THROW' } }, 'timeoutConfig.onTimeoutBehavior must be "RETURN_ERROR_TO_AGENT", not "THROW"'],
    [{ timeoutConfig: { timeoutSeconds: 1e9 } }, 'timeoutConfig.timeoutSeconds must be a number from 0.001 to'],
    [{ circuitBreaker: { enabled: 'yes' } }, 'circuitBreaker.enabled must be true or false, not "yes"'],
    [{ circuitBreaker: { recoveryTimeSeconds: Number.NaN } }, 'circuitBreaker.recoveryTimeSeconds must be a number'],
    [{ circuitBreaker: true }, 'circuitBreaker is an object with enabled, failureThreshold, recoveryTimeSeconds, not true'],
    [null, 'the configuration is an object with retryPolicy, timeoutConfig, circuitBreaker, not null'],
    ['{}', 'the configuration is an object'],
  ])('refuses %j', (config, message) => {
    expect(() => reliability(config as ReliabilityConfig)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
    );
  });
});
