// Where a consent ends. The chat in the other tab goes on.
const outcome = new URL(location.href).searchParams.get('outcome') === 'granted' ? 'granted' : 'declined';
document.querySelector('#told').textContent =
  outcome === 'granted'
    ? 'You have consented. The chat goes on, and you can close this page.'
    : 'You have not consented. You can close this page.';
new BroadcastChannel('consent').postMessage(outcome);
