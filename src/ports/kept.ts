import type { OutputOf } from './tool.ts';

/** Types with a JSON form, by the table in docs/outputs.md. */
type Written =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | { toJSON(...args: never[]): unknown }
  | RegExp
  | Error
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | ArrayBufferLike
  | ArrayBufferView
  | URLSearchParams
  | Headers;

/** The name of a part of a type that has no JSON form; `never` if there is none, as far as the compiler can tell. */
type Odd<T, Depth extends 0[] = []> = unknown extends T
  ? never
  : T extends Written
    ? never
    : T extends symbol
      ? 'a symbol'
      : T extends (...args: never[]) => unknown
        ? 'a function'
        : T extends PromiseLike<unknown>
          ? 'a promise'
          : T extends { text(): Promise<string>; arrayBuffer(): Promise<unknown> }
            ? 'a Response, Request or Blob'
            : T extends AsyncIterable<unknown>
              ? 'a stream'
              : Depth['length'] extends 4
                ? never
                : T extends readonly (infer Item)[]
                  ? Odd<Item, [...Depth, 0]>
                  : T extends object
                    ? { [K in keyof T]-?: Odd<T[K], [...Depth, 0]> }[keyof T]
                    : never;

declare const problem: unique symbol;

/** Requires that a tool's output can be stored as JSON; otherwise a type error names the part that cannot. */
export type Kept<O> = Refused<Odd<OutputOf<O>>>;

// `any` comes of an expression that does not compile, and the error of that is enough
type Refused<Part> = 0 extends 1 & Part
  ? unknown
  : [Part] extends [never]
    ? unknown
    : {
        execute: {
          [problem]: `JSON cannot hold ${Part & string}, which the output has. Return what was read of it, as texts, numbers, lists and objects`;
        };
      };
