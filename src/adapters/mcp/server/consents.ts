/** Consents that a call waits for, as URL elicitations: the call is refused with the URL, and is made again after the consent. */
import type { Approval } from '../../../hitl/approvals.ts';
import { sha256 } from '../../../journal/canonical.ts';
import type { Decision } from '../../../ports/tool.ts';
import { RpcError } from './offering.ts';

type Consent = Approval & { kind: 'consent' };

const LOGIN = 'Please login to this URL for authorization.';

/** The error of 2025-11-25 for a page that must be visited first. */
const URL_NEEDED = -32_042;

/** What a paused call waits for, if that is consents alone. */
export function consentsIn(approvals: readonly Approval[]): readonly Consent[] | undefined {
  const consents = approvals.filter((approval): approval is Consent => approval.kind === 'consent');
  return consents.length > 0 && consents.length === approvals.length ? consents : undefined;
}

export const approving = ({ id }: Approval): Decision => ({ approval: id, type: 'approve' });

/** The words are those of an AgentCore gateway, as its documentation shows them; of a page that a server sends its user to, those of the server. */
export function consentRequired(consents: readonly Consent[]): RpcError {
  const elicitations = consents.map(({ id, runId, url, reason = LOGIN }) => ({
    mode: 'url',
    elicitationId: sha256(`${runId} ${id}`).slice(0, 32),
    url,
    message: reason,
  }));
  return new RpcError(URL_NEEDED, 'This request requires more information.', { elicitations });
}
