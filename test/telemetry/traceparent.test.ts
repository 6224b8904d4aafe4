import { expect, test } from 'vitest';
import { formatTraceparent, parseTraceparent } from '../../src/telemetry/traceparent.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

test('a traceparent is read and written back', () => {
  for (const flags of ['00', '01']) {
    const text = `00-${traceId}-${spanId}-${flags}`;
    const parsed = parseTraceparent(text);
    expect(parsed).toEqual({ traceId, spanId, traceFlags: Number(flags), isRemote: true });
    expect(parsed && formatTraceparent(parsed)).toBe(text);
  }
  // a later version may say more; what we know of it holds
  expect(parseTraceparent(`01-${traceId}-${spanId}-03-more`)).toMatchObject({ traceId, spanId, traceFlags: 1 });
});

test.each([
  undefined,
  '',
  'nonsense',
  `ff-${traceId}-${spanId}-01`,
  `00-${traceId}-${spanId}-01-more`,
  `00-${'0'.repeat(32)}-${spanId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${traceId}-${spanId}`,
  ` 00-${traceId}-${spanId}-01`,
])('%j is not a traceparent', (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});
