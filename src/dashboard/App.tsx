/**
 * The frame: who is signed in, whether the page is live, and the overview or one service.
 *
 * The rule this file keeps: which service is open stands in the URL's fragment, so that a reload, a
 * bookmark and the back button do what they say. Nothing else ever stands there.
 */
import { AskDialog } from './Ask.tsx';
import { act, newKey } from './api.ts';
import { Certificates } from './Certificates.tsx';
import { open, readSession, takeSession } from './live.ts';
import { Overview } from './Overview.tsx';
import { useEffect } from './preact.ts';
import { ServiceView } from './ServiceView.tsx';
import { SignIn } from './SignIn.tsx';
import { link, names, opened, session } from './store.ts';

export function App() {
  useEffect(() => {
    const follow = (): void => void open(nameInUrl());
    addEventListener('hashchange', follow);
    follow();
    return () => removeEventListener('hashchange', follow);
  }, []);
  const only = names.value?.length === 1 ? names.value[0] : undefined;
  useEffect(() => {
    if (only !== undefined && opened.peek() === null)
      location.replace(`#/${encodeURIComponent(only)}`);
  }, [only]);

  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <a class="mark" href="#/">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M3 24h26" />
            <path class="branch" d="M6 24c9 0 9-14 23-14" />
          </svg>
          Pointsman
        </a>
        <LinkState />
        <Who />
      </header>
      <main id="main" tabIndex={-1}>
        {session.value?.role === null ? <SignIn /> : <Content />}
      </main>
      <footer class="quiet">
        <a href="docs">API</a>
        <a href="metrics">Metrics</a>
        <a href="runbook.html">Runbook</a>
      </footer>
      <AskDialog />
    </>
  );
}

function Content() {
  const name = opened.value;
  if (names.value === null) return <p class="quiet">Reading the services…</p>;
  return (
    <>
      {name === null ? <Overview /> : <ServiceView key={name} name={name} />}
      <Certificates of={name} />
    </>
  );
}

function LinkState() {
  const words = {
    connecting: 'connecting…',
    live: 'live',
    lost: 'connection lost – what you see is old; trying again',
  };
  return (
    <p class={`link ${link.value}`} role="status">
      <span class="dot" aria-hidden="true" />
      {session.value?.role === null ? 'not signed in' : words[link.value]}
    </p>
  );
}

function Who() {
  const now = session.value;
  if (!now?.needed || now.role === null) return null;
  const signOut = async (): Promise<void> => {
    const order = {
      method: 'DELETE',
      path: 'v1/session',
      generation: null,
      key: newKey(),
    } as const;
    await act(order).catch(() => {});
    takeSession({ needed: true, role: null, csrf: null });
    void readSession();
  };
  return (
    <p class="who">
      {now.role === 'reader' ? 'reader: may look, not act' : 'operator'}
      <button type="button" class="plain" onClick={() => void signOut()}>
        Sign out
      </button>
    </p>
  );
}

function nameInUrl(): string | null {
  try {
    return decodeURIComponent(location.hash.replace(/^#\/?/, '')) || null;
  } catch {
    return null;
  }
}
