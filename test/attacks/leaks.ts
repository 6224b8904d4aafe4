/** The ways in which a tool gives its credential away. */
import { runInNewContext } from 'node:vm';
import { type ToolContext, ToolError } from '../../src/index.ts';
import { type Anything, nested } from './setup.ts';

export const secret = 'sk-live-0123456789+ü/abcde fgh"ij';
export const base64 = Buffer.from(secret).toString('base64');
/** Parts of it, plain and encoded: none may be found anywhere. */
export const traces = [
  secret.slice(0, 10),
  secret.slice(19, 30),
  encodeURIComponent(secret).slice(0, 24),
  encodeURIComponent(secret).slice(-16),
  base64.slice(2, 18),
  Buffer.from(`x${secret}`).toString('base64').slice(4, 18),
  Buffer.from(`xx${secret}`).toString('base64').slice(4, 18),
  Buffer.from(secret).toString('hex').slice(4, 24),
  Buffer.from(secret).toString('hex').toUpperCase().slice(-20),
];

export type Leak = (key: string, ctx: ToolContext) => unknown;

export const thrown: readonly [string, Leak][] = [
  [
    'an error',
    (k) => {
      throw new Error(`401 for ${k}`);
    },
  ],
  [
    'an error with it in its name',
    (k) => {
      throw Object.assign(new Error(''), { name: k });
    },
  ],
  [
    'an error with it in its code',
    (k) => {
      throw Object.assign(new Error('x'), { code: k });
    },
  ],
  [
    'a ToolError with it as its code',
    (k) => {
      throw new ToolError(k, `x ${k}`);
    },
  ],
  [
    'an error whose message is a getter',
    (k) => {
      throw new (class extends Error {
        override get message() {
          return k;
        }
      })();
    },
  ],
  [
    'an error with a cause',
    (k) => {
      throw new Error('outer', { cause: Object.assign(new Error(`to ${k}`), { code: 'ECONNREFUSED', syscall: 'connect' }) });
    },
  ],
  [
    'an error whose cause is an object',
    (k) => {
      throw new Error('outer', { cause: { code: 'ECONNREFUSED', syscall: 'connect', message: `to ${k}` } });
    },
  ],
  [
    'a chain of ten causes',
    (k) => {
      let e: unknown = Object.assign(new Error(k), { code: 'ECONNREFUSED', syscall: 'connect' });
      for (let i = 0; i < 10; i++) e = new Error(`level ${i}`, { cause: e });
      throw e;
    },
  ],
  [
    'several errors in one',
    (k) => {
      throw new AggregateError([Object.assign(new Error(`to ${k}`), { code: 'ECONNREFUSED', syscall: 'connect' })], 'all failed');
    },
  ],
  [
    'an error that is its own cause',
    (k) => {
      const e = new Error(k);
      e.cause = e;
      throw e;
    },
  ],
  [
    'an error of another realm',
    (k) => {
      throw runInNewContext('new Error(k)', { k });
    },
  ],
  [
    'a text',
    (k) => {
      throw `401 for ${k}`;
    },
  ],
  [
    'an object with a message',
    (k) => {
      throw { status: 401, message: `bad key ${k}` };
    },
  ],
  [
    'an object without one',
    (k) => {
      throw { headers: { authorization: `Bearer ${k}` } };
    },
  ],
  [
    'a list',
    (k) => {
      throw [k, base64];
    },
  ],
  [
    'a function',
    (k) => {
      throw Object.assign(() => 1, { message: k });
    },
  ],
  [
    'a symbol',
    (k) => {
      throw Symbol(k);
    },
  ],
  [
    'an error with a getter that throws it',
    (k) => {
      throw Object.defineProperty(new Error('x'), 'bad', {
        enumerable: true,
        get() {
          throw new Error(k);
        },
      });
    },
  ],
  [
    'an object whose getters throw it',
    (k) => {
      throw {
        get message() {
          throw new Error(k);
        },
      };
    },
  ],
  [
    'a proxy that throws it',
    (k) => {
      throw new Proxy(
        {},
        {
          get() {
            throw new Error(k);
          },
          getPrototypeOf() {
            throw new Error(k);
          },
          ownKeys() {
            throw new Error(k);
          },
        },
      );
    },
  ],
  [
    'a long text with it where it is cut',
    (k) => {
      throw new Error(`${'x'.repeat(1_960)}${k}${'y'.repeat(500)}`);
    },
  ],
  [
    'it in base64, after a name',
    (k) => {
      throw new Error(`Basic ${Buffer.from(`ana:${k}`).toString('base64')}`);
    },
  ],
];

export const returned: readonly [string, Leak][] = [
  ['text', (k) => `key ${k}`],
  ['an object, deep inside and as a key', (k) => ({ a: [{ b: { [k]: { c: `x${k}x` } } }] })],
  [
    'base64, base64url and base64 behind other text',
    (k) => [
      base64,
      Buffer.from(k).toString('base64url'),
      Buffer.from(`ana:${k}`).toString('base64'),
      Buffer.from(`an:${k}`).toString('base64'),
    ],
  ],
  ['hexadecimal', (k) => [Buffer.from(k).toString('hex'), Buffer.from(k).toString('hex').toUpperCase()]],
  [
    'percent-encoding, a form and JSON in JSON',
    (k) => [encodeURIComponent(k), new URLSearchParams({ k }).toString(), JSON.stringify(JSON.stringify({ k }))],
  ],
  ['an error as a value', (k) => ({ error: { message: k } })],
  ['toJSON', (k) => ({ toJSON: () => ({ k }) })],
  [
    'a map, a set, a class',
    (k) => ({ map: new Map([[k, k]]), set: new Set([k]), url: new URL(`https://${encodeURIComponent(k)}@example.test/`) }),
  ],
  [
    'a cyclic object',
    (k) => {
      const a: Anything = { k };
      a.a = a;
      return a;
    },
  ],
  ['an object with a bigint', (k) => ({ k, n: 1n })],
  [
    'a getter that throws it',
    (k) => ({
      get bad() {
        throw new Error(k);
      },
    }),
  ],
  [
    'a toJSON that throws it',
    (k) => ({
      toJSON() {
        throw new Error(k);
      },
    }),
  ],
  [
    'a toJSON that throws it as an object',
    (k) => ({
      toJSON() {
        throw { message: k };
      },
    }),
  ],
  ['a hundred thousand lists inside each other', (k) => [k, nested(100_000)]],
  ['a text longer than is kept, across the cut', (k) => `${'x'.repeat(65_520)}${k}`],
];
