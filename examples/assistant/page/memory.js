// What is remembered of the user, who may delete it. Its texts are text for the page, never markup.
const box = document.querySelector('#memory');
const list = box.querySelector('ul');
const nothing = box.querySelector('p');
const all = box.querySelector('button');

async function show() {
  const response = await fetch('memory');
  if (!response.ok) return;
  const { items } = await response.json();
  list.replaceChildren(
    ...items.map(({ id, text }) => {
      const item = document.createElement('li');
      item.append(text);
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = 'Forget';
      button.setAttribute('aria-label', `Forget: ${text}`);
      button.addEventListener('click', () => forget(`memory/${encodeURIComponent(id)}`));
      item.append(button);
      return item;
    }),
  );
  nothing.hidden = items.length > 0;
  all.hidden = items.length === 0;
}

async function forget(path) {
  await fetch(path, { method: 'DELETE' });
  await show();
}

if (document.querySelector('meta[name=signed-in]').content === 'true') {
  box.hidden = false;
  box.addEventListener('toggle', () => box.open && show());
  all.addEventListener('click', () => forget('memory'));
}
