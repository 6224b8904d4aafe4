// A chat over /ws. Everything that the agent says is text for the page, never markup.
const SESSION = 'X-Amzn-Bedrock-AgentCore-Runtime-Session-Id';
const session = localStorage.session ?? crypto.randomUUID();
localStorage.session = session;
const address = `${document.querySelector('meta[name=agent]').content}?${SESSION}=${encodeURIComponent(session)}`;

/** Whether a user is signed in, whose token this page asks its server for. */
const signedIn = document.querySelector('meta[name=signed-in]').content === 'true';

const log = document.querySelector('#log');
const state = document.querySelector('#state');
const form = document.querySelector('#say');
const text = document.querySelector('#text');
const stop = document.querySelector('#stop');
const send = form.querySelector('[type=submit]');

let socket;
/** The message that the agent is writing. */
let writing;
/** Input that has no result yet. It is sent again with its id if the connection breaks, and taken once. */
let pending;
let wait = 500;

function add(kind, content = '') {
  const box = document.createElement('div');
  box.className = kind;
  box.textContent = content;
  log.append(box);
  log.scrollTop = log.scrollHeight;
  return box;
}

function show(status) {
  state.textContent = { ready: 'Ready', busy: 'Answering…', asks: 'Waits for your decision', gone: 'Not connected. Trying again…' }[status];
  send.disabled = status !== 'ready';
  stop.hidden = status !== 'busy';
}

const tell = (message) => socket.send(JSON.stringify(message));

const HEARD = {
  session({ open }) {
    wait = 500;
    if (open?.status === 'paused') ask(open.approvals);
    else if (pending) tell(pending);
    else show('ready');
  },
  text({ text: said }) {
    // a message of its own needs no blank line between it and the one before
    const piece = writing ? said : said.trimStart();
    if (piece === '') return;
    writing ??= add('agent');
    writing.append(piece);
    log.scrollTop = log.scrollHeight;
  },
  tool({ tool, status, error }) {
    writing = undefined;
    if (status !== 'started') add('tool', status === 'done' ? `${tool}: done` : `${tool}: ${error.message}`);
  },
  result({ status, approvals = [], error, limit }) {
    writing = undefined;
    pending = undefined;
    if (status === 'paused' && approvals.length > 0) return ask(approvals);
    if (status === 'failed') add('error', `It failed: ${error.code}.`);
    if (status === 'stopped') add('error', `It stopped at its limit of ${limit.name}.`);
    if (status === 'cancelled') add('tool', 'Stopped.');
    show('ready');
  },
  error({ code, message }) {
    writing = undefined;
    pending = undefined;
    add('error', `${code}: ${message}`);
    show('ready');
  },
};

const consents = new BroadcastChannel('consent');

/** Only to an address of the web: a page must not run what a server sends as a link. */
function linkTo(address, provider) {
  const link = document.createElement('a');
  link.textContent = `Sign in at ${provider}, and allow it`;
  if (/^https?:\/\//i.test(address)) link.href = address;
  link.target = '_blank';
  link.rel = 'noopener';
  return link;
}

/** Shows what people are asked, and sends the decisions once all are made. */
function ask(approvals) {
  show('asks');
  for (const old of log.querySelectorAll('.asks')) old.remove();
  const decisions = new Map();
  for (const approval of approvals) {
    const box = add('asks');
    const title = document.createElement('h2');
    title.textContent =
      approval.kind === 'question' ? approval.question : approval.tool ? `May I call ${approval.tool}?` : `Consent to ${approval.provider}`;
    const why = document.createElement('p');
    why.textContent = approval.reason ?? '';
    const what = document.createElement('pre');
    if (approval.kind === 'tool') what.textContent = JSON.stringify(approval.input, null, 2);
    if (approval.kind === 'consent') why.append(linkTo(approval.url, approval.provider));
    const answer = document.createElement('form');
    answer.className = 'answer';
    const note = document.createElement('input');
    note.setAttribute('aria-label', approval.kind === 'question' ? 'Your answer' : 'Why not');
    note.placeholder = approval.kind === 'question' ? 'Your answer' : 'Why not (if you reject)';
    const yes = document.createElement('button');
    yes.className = 'yes';
    yes.textContent = { question: 'Answer', consent: 'I have consented' }[approval.kind] ?? 'Approve';
    const no = document.createElement('button');
    no.type = 'button';
    no.textContent = 'Reject';
    const decide = (decision) => {
      decisions.set(approval.id, { approval: approval.id, ...decision });
      box.replaceWith(
        add(
          'tool',
          `${title.textContent} ${decision.type === 'reject' ? 'Rejected.' : decision.type === 'respond' ? decision.answer : 'Approved.'}`,
        ),
      );
      if (decisions.size < approvals.length) return;
      pending = { type: 'decisions', decisions: [...decisions.values()] };
      show('busy');
      tell(pending);
    };
    answer.addEventListener('submit', (event) => {
      event.preventDefault();
      decide(approval.kind === 'question' ? { type: 'respond', answer: note.value } : { type: 'approve' });
    });
    no.addEventListener('click', () => decide({ type: 'reject', reason: note.value || 'rejected' }));
    // the server has decided it by then, and gives the answer of that turn
    if (approval.kind === 'consent')
      consents.onmessage = ({ data }) =>
        decide(data === 'granted' ? { type: 'approve' } : { type: 'reject', reason: 'The user declined the consent.' });
    answer.append(yes, no, note);
    box.append(title, why, what, answer);
    log.scrollTop = log.scrollHeight;
    yes.focus();
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const input = text.value.trim();
  if (input === '' || send.disabled) return;
  add('user', input);
  text.value = '';
  pending = { type: 'input', input, requestId: crypto.randomUUID() };
  show('busy');
  tell(pending);
});
text.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
stop.addEventListener('click', () => tell({ type: 'cancel' }));

/** A browser cannot send headers with a socket, so the token goes as a subprotocol. */
async function protocols() {
  if (!signedIn) return [];
  const response = await fetch('token', { headers: { accept: 'application/json' } });
  // signs in again, and comes back
  if (response.status === 401) location.reload();
  const { user, token } = await response.json();
  const name = document.querySelector('#user');
  name.textContent = `Signed in as ${user}`;
  name.hidden = false;
  const encoded = btoa(token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  return [`base64UrlBearerAuthorization.${encoded}`, 'base64UrlBearerAuthorization'];
}

async function connect() {
  try {
    socket = new WebSocket(address, await protocols());
  } catch {
    setTimeout(() => void connect(), wait);
    return;
  }
  socket.addEventListener('message', ({ data }) => {
    const { type, ...message } = JSON.parse(data);
    HEARD[type]?.(message);
  });
  socket.addEventListener('close', () => {
    // what was written of an unfinished answer comes again from its start
    writing?.remove();
    writing = undefined;
    show('gone');
    setTimeout(() => void connect(), wait);
    wait = Math.min(wait * 2, 10_000);
  });
}
void connect();
