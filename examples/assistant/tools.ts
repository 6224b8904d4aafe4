/** The tools behind a gateway: the back office with its 300 operations, and the web. Policies in Cedar decide which of them may be called, and with what. */
import { gateway, openApiTools, webSearch } from 'rondo/gateway';
import { cedarPolicy } from 'rondo/policy';
import { web } from './news.ts';
import { DELETIONS, officeDocument } from './office.ts';

/** The name of the gateway, and of its targets: the same where AWS has it. */
export const GATEWAY = 'shop';
export const OFFICE = 'office';
export const WEB = 'web';

const action = (operation: string) => `AgentCore::Action::"${OFFICE}___${operation}"`;

/** @param resource the id of the gateway: its name, or its ARN. */
export const policies = (resource: string) => ({
  everything: `permit(principal is AgentCore::OAuthUser, action, resource == AgentCore::Gateway::"${resource}");`,
  'at most 100 dollars': `forbid(principal, action == ${action('createCredit')}, resource == AgentCore::Gateway::"${resource}")
    when { context.input.body.cents > 10000 };`,
  'people delete': `forbid(principal, action in [${DELETIONS.map(action).join(', ')}], resource == AgentCore::Gateway::"${resource}");`,
});

/** The gateway in this process. @param office the address of the back office. */
export async function shopTools(office: string) {
  const targets = {
    [OFFICE]: openApiTools({
      name: OFFICE,
      document: officeDocument(office),
      server: office,
      credentials: { type: 'api-key', provider: OFFICE, name: 'x-api-key' },
    }),
    [WEB]: webSearch({ backend: web }),
  };
  const options = { name: GATEWAY, targets, search: true };
  return gateway({ ...options, policy: await cedarPolicy({ gateway: GATEWAY, policies: policies(GATEWAY), tools: gateway(options) }) });
}
