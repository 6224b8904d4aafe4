import { deferred } from '../kit/time.ts';
import { looker } from './looker.ts';

/** An agent whose tool waits until the test says what it saw. */
export function held() {
  const begun = deferred();
  const finish = deferred<string>();
  const agent = looker(() => {
    begun.resolve();
    return finish.promise;
  });
  return { agent, begun: begun.promise, finish: finish.resolve };
}
