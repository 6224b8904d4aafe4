/** Lambda functions that are bound to the exports of modules: called with an event and a context, as AWS calls them. */
import { randomUUID } from 'node:crypto';
import type { Json } from '../../../../json.ts';
import { type Bound, loaded } from '../bindings.ts';

/** What a function is told of its call. */
export interface LambdaCall {
  readonly event: Json;
  /** `context.clientContext.custom`, if it has one. */
  readonly custom?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Milliseconds that are left. */
  readonly remaining: number;
}

type Handler = (event: Json, context: object, callback: (error: unknown, result?: Json) => void) => unknown;

/** Rejects with the error of the function, or with why there is none. */
export async function invokeLambda(bound: Bound, arn: string, { event, custom, signal, remaining }: LambdaCall): Promise<Json> {
  const found = bound.lambda(arn);
  if (!found) throw new Error(`Nothing is bound to this function. Add "lambda:${arn}" with a module and its export to the bindings.`);
  const handler = await loaded(found);
  if (typeof handler !== 'function') throw new Error(`The binding "lambda:${arn}" is not a function.`);
  const until = performance.now() + remaining;
  const context = {
    ...(custom && { clientContext: { custom } }),
    awsRequestId: randomUUID(),
    functionName: arn.split(':')[6],
    functionVersion: arn.split(':')[7] ?? '$LATEST',
    invokedFunctionArn: arn,
    memoryLimitInMB: '128',
    getRemainingTimeInMillis: () => Math.max(0, until - performance.now()),
  };
  signal.throwIfAborted();
  const result = await new Promise<unknown>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    const callback = (error: unknown, value?: Json) => (error ? reject(error) : resolve(value));
    // as the runtime of Node does: what it returns counts if that is a promise
    Promise.resolve()
      .then(() => (handler as Handler)(event, context, callback))
      .then((value) => {
        if ((handler as Handler).length < 3 || value !== undefined) resolve(value);
      }, reject);
  });
  // what cannot be JSON would not have come back from AWS
  return JSON.parse(JSON.stringify(result ?? null)) as Json;
}
