import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { test } from 'vitest';
import { agentcoreIdentity } from '../../../src/adapters/agentcore/identity/index.ts';
import { identityConformance } from '../../../src/testing/index.ts';
import { browser, consentAs } from './browser.ts';
import { claimsOf, desk, PROVIDER, RETURN, WORKLOAD } from './desk.ts';
import { APP, signIn } from './sign-in.ts';

identityConformance(
  async () => {
    const started = await desk(
      { identity: { authorization: { users: ['ana', 'ben'], redirectUrls: [APP] } } },
      { onBehalfOfTokenExchangeConfig: { grantType: 'TOKEN_EXCHANGE' } },
    );
    await started.controls.send(new control.CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: 'key-of-the-weather' }));
    const identity = () => agentcoreIdentity({ workload: WORKLOAD, returnUrl: RETURN });
    const calendar = { provider: PROVIDER, scopes: ['calendar.read'] };
    return {
      identity: identity(),
      another: identity,
      requests: { 'api-key': { provider: 'weather' }, client: calendar, user: calendar, exchange: calendar },
      async consent(url, { id }, { decline }) {
        const person = browser();
        if (!decline) return consentAs(person, id, url, RETURN);
        const consent = await person.press(await person.open(url, RETURN), 'user', id, RETURN);
        return (await person.press(consent, 'cancel', '1', RETURN)).url;
      },
      assertion: async ({ id }) => ({ type: 'jwt', token: (await signIn(started.server, id)).accessToken }),
      whose: async (token) => claimsOf(token).sub as string,
    };
  },
  { test },
);
