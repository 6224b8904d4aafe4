/** Lambda functions that are bound to the exports of modules. */
import { lazy } from '../../../../flight.ts';
import { type Invoke, inProcess, type LambdaHandler } from '../../../gateway/lambda/invoke.ts';
import { type Bound, loaded } from '../bindings.ts';

/** Calls the function that is bound to an ARN. Rejects if none is, or if it cannot be loaded: then the next call tries again. */
export function boundFunction(bound: Bound, arn: string): Invoke {
  async function load(): Promise<Invoke> {
    const found = bound.lambda(arn);
    if (!found) throw new Error(`Nothing is bound to this function. Add "lambda:${arn}" with a module and its export to the bindings.`);
    const handler = await loaded(found);
    if (typeof handler !== 'function') throw new Error(`The binding "lambda:${arn}" is not a function.`);
    return inProcess(handler as LambdaHandler, arn, 'startAgentCore()');
  }
  const invoke = lazy(load);
  return async (invocation) => (await invoke())(invocation);
}
