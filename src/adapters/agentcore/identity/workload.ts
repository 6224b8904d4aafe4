/** The token of the workload, for whom it acts: of the invocation that is being served, else made for the caller's token or their id. */
import { RondoError } from '../../../errors.ts';
import type { Assertion } from '../../../ports/identity.ts';
import { isSamePrincipal, type Principal } from '../../../ports/principal.ts';
import { currentInvocation, currentPrincipal } from '../runtime/invocation.ts';
import type { Carried } from './carried.ts';
import { hashOf } from './carried.ts';
import { awsNameOf, type Line } from './line.ts';
import { userIdOf } from './user-id.ts';

export interface Who {
  by: Principal | undefined;
  assertion?: Assertion | undefined;
  signal: AbortSignal;
}

/** A token, and what it was made for. */
export interface Workload extends Pick<Carried, 'by' | 'hash'> {
  token: string;
}

export interface Workloads {
  /** Of the application itself. */
  plain(who: Who): Promise<string>;
  /** For a user. @param jwt whether only the user's own token will do. @throws RondoError `CONSENT_EXPIRED` without one that is valid. */
  forUser(who: Who, jwt: boolean): Promise<Workload>;
}

export interface WorkloadOptions {
  workload: string;
  /** Undefined: the token of the caller if there is one, else their id. */
  users: 'token' | 'id' | undefined;
}

export function workloads(line: Line, { workload: workloadName, users }: WorkloadOptions): Workloads {
  const what = `a token of the workload "${workloadName}"`;
  const signInAgain = (why: string) =>
    new RondoError('CONSENT_EXPIRED', `${why} Ask the user to sign in again, and resume the run with their new token.`);

  async function forToken(userToken: string, signal: AbortSignal): Promise<Workload> {
    try {
      const { workloadAccessToken } = await line.ask(what, signal, (sdk, client, o) =>
        client.send(new sdk.GetWorkloadAccessTokenForJWTCommand({ workloadName, userToken }), o),
      );
      return { token: given(workloadAccessToken), by: 'token', hash: hashOf(userToken) };
    } catch (error) {
      if (awsNameOf(error) !== 'ValidationException') throw error;
      throw signInAgain('AgentCore does not take the token of the user: it is over, or not a JWT.');
    }
  }

  async function forId(by: Principal, signal: AbortSignal): Promise<Workload> {
    const userId = userIdOf(by);
    const { workloadAccessToken } = await line.ask(what, signal, (sdk, client, o) =>
      client.send(new sdk.GetWorkloadAccessTokenForUserIdCommand({ workloadName, userId }), o),
    );
    return { token: given(workloadAccessToken), by: 'id', hash: hashOf(userId) };
  }

  return {
    async plain({ signal }) {
      const own = currentInvocation()?.workloadToken();
      if (own !== undefined) return own;
      const { workloadAccessToken } = await line.ask(what, signal, (sdk, client, o) =>
        client.send(new sdk.GetWorkloadAccessTokenCommand({ workloadName }), o),
      );
      return given(workloadAccessToken);
    },
    async forUser({ by, assertion, signal }, jwt) {
      const own = isInvokedBy(by) ? currentInvocation()?.workloadToken() : undefined;
      if (own !== undefined) return { token: own, by: 'none', hash: '' };
      if (assertion && (jwt || users !== 'id')) return forToken(assertion.token, signal);
      if (jwt || users === 'token') throw signInAgain('The token that the user signed in with is not there.');
      if (by) return forId(by, signal);
      throw new RondoError('NOT_PERMITTED', 'A run of the application has no user. Start it with by: engine.run(agent, input, { by }).');
    },
  };
}

/**
 * The platform's token acts for the user who invokes. A run of another user that is driven there, such as one that an approver resumes, must not act
 * with it. The platform knows a user by its id alone.
 */
function isInvokedBy(by: Principal | undefined): boolean {
  const caller = currentPrincipal();
  return by !== undefined && caller !== undefined && (isSamePrincipal(by, caller) || isSamePrincipal({ id: userIdOf(by) }, caller));
}

const given = (token: string | undefined): string => token ?? '';
