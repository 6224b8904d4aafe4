/** The return of a browser from a consent: it ends the consent for the user who is signed in there, decides the approval, and resumes the run. */
import { Engine } from '../../engine/engine.ts';
import { type ErrorCode, invalid, RondoError } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import type { Assertion, ConsentReturned, Identity } from '../../ports/identity.ts';
import { isSamePrincipal, type Principal, principal, principalProblem } from '../../ports/principal.ts';
import type { Decision } from '../../ports/tool.ts';
import { STATUS } from '../../server/errors.ts';
import { assertEngine } from '../../server/handle.ts';
import type { Handler } from '../../server/listen.ts';
import { report } from '../../server/report.ts';
import { arrivedAt, isCallback } from './address.ts';
import { answer, redirect, refusedPage, type Told } from './page.ts';

/** Who is signed in at a browser. */
export interface SignedIn {
  by: Principal;
  /** The token that they are signed in with, if the run was started with one: the same text, as `assertion` of `run()`. */
  assertion?: string | Assertion | undefined;
}

export interface ConsentCallbackOptions {
  /**
   * Who is signed in at the browser that sent this request, by its session cookie. Undefined: no user, who is answered 401. A Response is sent
   * as it is, such as one that leads to the sign-in. The cookie must be `SameSite=Lax`: the browser comes from the provider.
   */
  authenticate: (request: Request) => SignedIn | Response | undefined | Promise<SignedIn | Response | undefined>;
  /**
   * The URLs of this handler, as browsers see them, without a query; `{provider}` stands for one segment. A request to another one is refused.
   */
  returnUrls: readonly string[];
  /** Where the browser goes after a consent that was given or declined. Default: to a page that says so. */
  next?: (returned: ConsentReturned) => string | undefined;
  /** False: another process resumes the run, by `work()` or `sweep()`. Default true. */
  resume?: boolean;
}

const EXAMPLES = {
  authenticate: 'authenticate: (request) => sessions.userOf(request)',
  returnUrls: "returnUrls: ['https://app.example.com/consent']",
  next: "next: ({ runId }) => '/chat/' + runId",
  resume: 'resume: false',
} satisfies { [K in keyof ConsentCallbackOptions]-?: string };

const WHERE = 'consentCallback()';
/** Milliseconds for the exchange with the provider. It goes on if the browser leaves. */
const PATIENCE = 30_000;

/** Codes whose message is for the person. Others are told to the operator. */
const SHOWN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONSENT_NOT_FOUND',
  'CONSENT_MISMATCH',
  'CONSENT_USED',
  'CONSENT_EXPIRED',
  'CONSENT_DECLINED',
  'RETURN_URL_REFUSED',
]);

/**
 * A request handler for the URL where browsers come back to after a consent. It works with every identity that has `returned`, such as
 * `localIdentity()`, in any process that has the journal and the vault. A consent ends only for the user who began it; see docs/identity.md.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function consentCallback(engine: Engine, identity: Identity, o: ConsentCallbackOptions): Handler {
  assertEngine(engine, WHERE, 'an engine, its identity and options: (engine, identity, { authenticate, returnUrls })');
  checkOptions(o, EXAMPLES, WHERE, { next: 'function', resume: 'flag' });
  const { authenticate, returnUrls, next, resume = true } = o;
  if (typeof identity?.returned !== 'function') throw invalid(`${WHERE} needs an identity with returned(), such as localIdentity().`);
  if (typeof authenticate !== 'function')
    throw invalid(`${WHERE} needs to know who is signed in at a browser: { ${EXAMPLES.authenticate} }.`);
  if (!Array.isArray(returnUrls) || returnUrls.length === 0 || !returnUrls.every(isCallback))
    throw invalid(`${WHERE} needs the URLs of this handler, without a query: { ${EXAMPLES.returnUrls} }.`);
  const tell = report(WHERE);

  async function signedIn(request: Request): Promise<{ by: Principal; assertion?: Assertion } | Response> {
    let found: SignedIn | Response | undefined;
    try {
      found = await authenticate(request);
    } catch (error) {
      tell(error);
      return answer(request, {
        status: 503,
        code: 'UNAVAILABLE',
        title: 'Not now',
        text: 'Who is signed in cannot be found out now. Try again later.',
      });
    }
    if (found instanceof Response) return found;
    if (!found || principalProblem(found.by))
      return answer(request, {
        status: 401,
        code: 'UNAUTHENTICATED',
        title: 'Not signed in',
        text: 'Sign in to the application, and open the link again.',
      });
    const { assertion } = found;
    const given = typeof assertion === 'string' ? { type: 'jwt', token: assertion } : assertion;
    return { by: principal(found.by), ...(given && { assertion: given }) };
  }

  /** Decides what waits for the consent, and lets the run go on. What fails here can be done again: the consent itself is in the vault. */
  async function settle(
    runId: string,
    handle: string,
    outcome: 'granted' | 'declined',
    who: { by: Principal; assertion?: Assertion },
  ): Promise<void> {
    const decisions: Decision[] = [];
    for (const approval of await waitingFor(engine, runId, handle, who.by))
      decisions.push(
        outcome === 'granted' ? { approval, type: 'approve' } : { approval, type: 'reject', reason: 'The user declined the consent.' },
      );
    if (decisions.length === 0) return;
    await engine.decide(runId, decisions, { by: who.by });
    if (resume) engine.resume(runId, who).catch((error: unknown) => isElsewhere(error) || tell(error));
  }

  /** @returns what the person is told in place of the outcome: the policy lets them decide nothing, so the run waits on. */
  async function settled(...args: Parameters<typeof settle>): Promise<Told | undefined> {
    try {
      await settle(...args);
    } catch (error) {
      const forbidden = RondoError.is(error, 'NOT_PERMITTED');
      // the run may have ended, or been forgotten, since
      if (forbidden || !RondoError.is(error) || STATUS[error.code] >= 500) tell(error);
      if (forbidden) return refusedPage('NOT_PERMITTED', KEPT_WAITING);
    }
    return undefined;
  }

  /** The consent has ended, and the run goes on: a failure of the application's function takes neither back. */
  function goesOn(returned: ConsentReturned): Response | undefined {
    try {
      const to = next?.(returned);
      return to === undefined ? undefined : redirect(to);
    } catch (error) {
      tell(error);
      return undefined;
    }
  }

  async function ended(request: Request, who: { by: Principal; assertion?: Assertion }, at: string): Promise<Response> {
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      const returned = await (identity as Required<Identity>).returned({ url: at + new URL(request.url).search, ...who, signal });
      const waits = await settled(returned.runId, returned.handle, returned.outcome, who);
      if (waits) return answer(request, waits);
      return goesOn(returned) ?? answer(request, OUTCOMES[returned.outcome]);
    } catch (error) {
      if (!RondoError.is(error)) {
        tell(error);
        return answer(request, refusedPage('INTERNAL', 'The server failed. Its operator was told why.'));
      }
      const { runId, handle, outcome } = (error.details ?? {}) as { [k: string]: string | undefined };
      // asked for again, or the rest of what a crash interrupted
      if (runId !== undefined && handle !== undefined && (error.code === 'CONSENT_EXPIRED' || error.code === 'CONSENT_USED')) {
        const waits = await settled(runId, handle, outcome === 'declined' ? 'declined' : 'granted', who);
        if (waits) return answer(request, waits);
      }
      if (SHOWN.has(error.code)) return answer(request, refusedPage(error.code, error.message));
      tell(error);
      return answer(request, refusedPage(error.code, 'The consent could not be completed. Open the link again later.'));
    }
  }

  return async (request) => {
    if (request.method !== 'GET')
      return answer(request, { status: 405, code: 'METHOD_NOT_ALLOWED', title: 'Not here', text: 'A browser comes back here with GET.' });
    const at = returnUrls.map((url) => arrivedAt(url, request.url)).find((url) => url !== undefined);
    if (at === undefined) return answer(request, refusedPage('RETURN_URL_REFUSED', 'Consents do not return to this address.'));
    const who = await signedIn(request);
    return who instanceof Response ? who : ended(request, who, at);
  };
}

/** The answer to the consent is kept, so it is not asked for again once somebody may decide. */
const KEPT_WAITING =
  'Your answer is kept, and the assistant still waits: the rules of this application do not let you decide for it. Its operator was told.';

const OUTCOMES: Record<ConsentReturned['outcome'], Told> = {
  granted: {
    status: 200,
    code: 'CONSENT_GRANTED',
    title: 'Done',
    text: 'You have consented. You can close this page: the assistant goes on.',
  },
  declined: refusedPage('CONSENT_DECLINED', 'You have not consented, and the assistant has been told. You can close this page.'),
};

/** Another process drives the run, or will, or it has ended. */
const isElsewhere = (error: unknown): boolean =>
  RondoError.is(error) && ['RUN_BUSY', 'RUN_ENDED', 'RUN_NOT_FOUND', 'AGENT_NOT_REGISTERED', 'ENGINE_CLOSED'].includes(error.code);

/**
 * The approvals that wait for a consent of this user. They do not show its handle, so it is looked for in the journal. What an identity reads in the URL
 * of the browser may be forged, so a run of another user has none.
 */
async function waitingFor(engine: Engine, runId: string, handle: string, by: Principal): Promise<readonly string[]> {
  const open = new Set<string>();
  for await (const entry of Engine.settings(engine).journal.read(runId))
    if (entry.type === 'run.started' && !isSamePrincipal(entry.by, by)) return [];
    else if (entry.type === 'approval.requested' && entry.kind === 'consent' && entry.handle === handle) open.add(entry.id);
    else if (entry.type === 'approval.decided') open.delete(entry.id);
  return [...open];
}
