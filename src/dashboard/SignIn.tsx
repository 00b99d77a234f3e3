/**
 * Asks for a token where one is required.
 *
 * The rule this file keeps: the token goes into the body of one call and is forgotten; what stays
 * is a cookie that no script can read.
 */
import { act, newKey, Refusal } from './api.ts';
import { takeSession } from './live.ts';
import { useRef, useSignal } from './preact.ts';
import type { Session } from './store.ts';

export function SignIn() {
  const field = useRef<HTMLInputElement>(null);
  const wrong = useSignal('');
  const busy = useSignal(false);

  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const token = field.current?.value.trim() ?? '';
    if (busy.value || token === '') return;
    busy.value = true;
    wrong.value = '';
    try {
      const order = {
        method: 'POST',
        path: 'v1/session',
        generation: null,
        key: newKey(),
      } as const;
      takeSession(await act<Session>({ ...order, body: { token } }));
    } catch (thrown) {
      wrong.value = thrown instanceof Refusal ? thrown.message : String(thrown);
      field.current?.select();
      field.current?.focus();
    }
    busy.value = false;
  };

  return (
    <form class="signin panel" onSubmit={(event) => void send(event)}>
      <h1>Sign in</h1>
      <label>
        Token
        <input
          ref={field}
          type="password"
          name="token"
          autocomplete="current-password"
          required
          aria-invalid={wrong.value !== ''}
          aria-describedby="signin-why"
        />
      </label>
      <p
        id="signin-why"
        class={wrong.value ? 'wrong' : 'quiet'}
        role={wrong.value ? 'alert' : 'note'}
      >
        {wrong.value ||
          'The one in the file that admin.tokenFile names, or admin.readTokenFile to look only.'}
      </p>
      <button type="submit" class="main" disabled={busy.value}>
        {busy.value ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  );
}
