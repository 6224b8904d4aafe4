/** The pages of the authorization server. They need no script, no image and no other file. */
import { escaped } from '../../../../server/html.ts';

const STYLE =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:4rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}' +
  'button{font:inherit;padding:.5rem 1rem;margin:.25rem .5rem .25rem 0;border:2px solid #1a4f8b;border-radius:.25rem;background:#1a4f8b;color:#fff}' +
  'button.other{background:#fff;color:#1a4f8b}button:focus-visible{outline:3px solid #b35900;outline-offset:2px}' +
  '@media (prefers-color-scheme:dark){body{color:#eee;background:#181818}button.other{background:#181818;color:#9cc7f5;border-color:#9cc7f5}}';

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${STYLE}</style></head>
<body><main><h1>${escaped(title)}</h1>
${body}
</main></body>
</html>
`;
}

/** Whether the user is asked who they are, or what an application may do. The forms are sent to the URL of the page. */
export function signInPage(users: readonly string[], application: string): string {
  if (users.length === 0)
    return page('There are no users', '<p>Tell the local server who there is: <code>rondo agentcore --user ana --user ben</code>.</p>');
  const buttons = users.map((user) => `<button name="user" value="${escaped(user)}">Sign in as ${escaped(user)}</button>`);
  return page(
    'Sign in',
    `<p><strong>${escaped(application)}</strong> asks who you are. This is the authorization server of the local AgentCore: it has no passwords.</p>
<form method="post">${buttons.join('\n')}
<p><button class="other" name="cancel" value="1">Cancel</button></p></form>`,
  );
}

export function consentPage(user: string, application: string, scopes: readonly string[], resources: readonly string[]): string {
  const items = [...scopes, ...resources.map((resource) => `at ${resource}`)].map((item) => `<li>${escaped(item)}</li>`);
  return page(
    `Allow ${application}?`,
    `<p>You are signed in as <strong>${escaped(user)}</strong>. <strong>${escaped(application)}</strong> asks for:</p>
<ul>${items.join('') || '<li>access without further scopes</li>'}</ul>
<form method="post"><button name="consent" value="allow">Allow</button> <button class="other" name="cancel" value="1">Decline</button></form>`,
  );
}

export const errorPage = (message: string): string => page('This does not work', `<p role="alert">${escaped(message)}</p>`);
