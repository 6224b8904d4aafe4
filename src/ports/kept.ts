import type { OutputOf } from './tool.ts';

/** Has a form in JSON, by the table in docs/outputs.md. */
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

/** What of a type JSON has no form for, by name; never where all of it has one, as far as the compiler sees. */
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

/** Asks of a tool that its output can be kept; where it cannot, the error names what is in the way. */
export type Kept<O> = [Odd<OutputOf<O>>] extends [never]
  ? unknown
  : { execute: { [problem]: `JSON cannot hold ${Odd<OutputOf<O>>}, which the output has: see docs/outputs.md` } };
