/** A browser that a person sits at: it follows redirects, keeps cookies, and presses the buttons of the pages. */

interface Page {
  readonly url: string;
  readonly status: number;
  readonly text: string;
}

export interface Browser {
  /** Goes there and follows redirects, but not to `stop`, the application itself: that URL is the page then, without a text. */
  open(url: string, stop?: string): Promise<Page>;
  /** Sends the form of the page with one of its buttons. */
  press(page: Page, button: string, value: string, stop?: string): Promise<Page>;
}

export function browser(): Browser {
  const jar = new Map<string, { value: string; path: string }>();

  async function go(url: string, stop: string | undefined, init: RequestInit = {}): Promise<Page> {
    if (stop !== undefined && url.startsWith(stop)) return { url, status: 0, text: '' };
    const { pathname } = new URL(url);
    const cookie = [...jar].filter(([, { path }]) => pathname.startsWith(path)).map(([name, { value }]) => `${name}=${value}`);
    const response = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie: cookie.join('; ') } });
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
      const name = pair.slice(0, pair.indexOf('='));
      const path = attributes.find((one) => /^path=/i.test(one))?.slice(5) ?? '/';
      jar.set(name, { value: pair.slice(name.length + 1), path });
    }
    const location = response.headers.get('location');
    if (location !== null) return go(new URL(location, url).href, stop);
    return { url, status: response.status, text: await response.text() };
  }

  return {
    open: (url, stop) => go(url, stop),
    press: ({ url, text }, button, value, stop) => {
      if (!text.includes(`name="${button}" value="${value}"`)) throw new Error(`the page ${url} has no button ${button}=${value}: ${text}`);
      const body = new URLSearchParams({ [button]: value });
      return go(url, stop, { method: 'POST', body });
    },
  };
}

/** Signs in and allows, as one who has not been there before does. @returns where the browser comes back to. */
export async function consentAs(person: Browser, user: string, url: string, stop: string): Promise<string> {
  const signIn = await person.open(url, stop);
  const consent = await person.press(signIn, 'user', user, stop);
  return (await person.press(consent, 'consent', 'allow', stop)).url;
}
