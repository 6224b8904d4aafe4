import { expectTypeOf } from 'vitest';
import { jsonSchema, type Kept, type Schema, type ToolOptions, tool } from '../../src/index.ts';

const base = { name: 't', description: '', input: jsonSchema<{ n: number }>({ type: 'object' }) } as const;

class Receipt {
  id = 7;
  print() {}
}
interface Tree {
  name: string;
  children: Tree[];
}
// biome-ignore lint/suspicious/noExplicitAny: what it is about
const any = (): any => 1;

// what JSON holds, and what has a form in it
tool({ ...base, execute: () => ({ a: [1, 'x', null, true], at: new Date(), to: undefined }) });
tool({ ...base, execute: async () => new Map([['a', new Set([1n])]]) });
tool({ ...base, execute: () => ({ bytes: new Uint8Array(), error: new Error('x'), url: new URL('http://a.test') }) });
tool({ ...base, execute: () => any() });
tool({ ...base, execute: (): unknown => 1 });
tool({ ...base, execute: (): void => {} });
tool({
  ...base,
  execute: (): never => {
    throw new Error('never');
  },
});
tool({ ...base, execute: (): Tree => ({ name: 'a', children: [] }) });
tool({ ...base, execute: <T>(o: T) => o });
tool({ ...base, execute: () => ({ ...new Receipt() }) });
tool({ ...base, execute: async () => (await fetch('http://a.test')).json() });

// the cost is a number, or a function of the output
tool({ ...base, cost: 0.005, execute: () => 1 });
tool({ ...base, execute: async () => ({ ms: 3 }), cost: (output) => (expectTypeOf(output).toEqualTypeOf<{ ms: number }>(), output.ms) });
tool({ ...base, cost: (output) => output.ms, execute: async () => ({ ms: 3 }) });
// @ts-expect-error it is not a text
tool({ ...base, cost: '5', execute: () => 1 });
// @ts-expect-error of the output, not of anything else
tool({ ...base, execute: () => ({ ms: 3 }), cost: (output: { seconds: number }) => output.seconds });

// a helper that is generic in the output asks the same of its caller
const slow = <N extends string, S extends Schema, O>(o: ToolOptions<N, S, Schema<unknown>, never, O> & Kept<O>) => tool(o);
slow({ ...base, execute: () => ({ a: 1 }) });
// @ts-expect-error which it tells in the same way
slow({ ...base, execute: () => () => 1 });

// @ts-expect-error a function is not an output
tool({ ...base, execute: () => () => 1 });
// @ts-expect-error nor one in a field
tool({ ...base, execute: () => ({ id: 1, cancel: () => 1 }) });
// @ts-expect-error nor a symbol
tool({ ...base, execute: () => [Symbol('x')] });
// @ts-expect-error nor a Response
tool({ ...base, execute: () => fetch('http://a.test') });
// @ts-expect-error nor a stream
tool({ ...base, execute: () => ({ body: new ReadableStream() }) });
// @ts-expect-error nor a promise in a field
tool({ ...base, execute: () => ({ later: Promise.resolve(1) }) });
// @ts-expect-error nor what has methods, which would be lost
tool({ ...base, execute: () => new Receipt() });

// a generator's output is what it returns, or else what it yields
tool({
  ...base,
  execute: async function* () {
    yield 'a';
    return { receipt: 7 };
  },
  toModel: (output) => {
    expectTypeOf(output).toEqualTypeOf<{ receipt: number }>();
    return '';
  },
});
tool({
  ...base,
  execute: function* () {
    yield { receipt: 7 };
  },
  toModel: (output) => {
    expectTypeOf(output).toEqualTypeOf<{ receipt: number }>();
    return '';
  },
});
function* functions() {
  yield 1;
  return () => 1;
}
// @ts-expect-error a generator may not return a function either
tool({ ...base, execute: functions });
