/**
 * Asks for a release and begins its deployment; what follows is told by the timeline.
 *
 * The rule this file keeps: it asks only for what the service's way of running takes, and shows
 * what a dry run would say before anything is started.
 */
import type { Deployment } from '../control/model/state.ts';
import { act, newKey, Refusal, servicePath } from './api.ts';
import { type Asking, costOf, kindWords } from './asking.ts';
import { look } from './live.ts';
import { useRef, useSignal } from './preact.ts';
import { takeDeployments } from './store.ts';
import { WhoAndWhy, whoAndWhyIn } from './WhoAndWhy.tsx';
import { sideWord } from './words.ts';

export function DeployForm({ from, close }: { from: Asking; close: () => void }) {
  const { status } = from;
  const form = useRef<HTMLFormElement>(null);
  const by = useRef<HTMLInputElement>(null);
  const why = useRef<HTMLInputElement>(null);
  const busy = useSignal(false);
  const wrong = useSignal('');
  const dry = useSignal('');
  const cost = costOf(status);

  const send = async (dryRun: boolean): Promise<void> => {
    const node = form.current;
    if (!node || busy.value || !node.reportValidity()) return;
    busy.value = true;
    wrong.value = '';
    dry.value = '';
    // The form can be corrected and sent again: a key is for one content.
    const key = newKey();
    const body = {
      ...orderIn(new FormData(node)),
      ...whoAndWhyIn(by.current, why.current),
      dryRun,
    };
    const path = servicePath(status.name, '/deployments');
    try {
      const { generation } = status;
      const got = await act<Deployment>({ method: 'POST', path, generation, key, body });
      if (dryRun) dry.value = `It would go to ${sideWord(got.to)}; nothing was started.`;
      else {
        takeDeployments([got]);
        close();
      }
    } catch (thrown) {
      wrong.value =
        thrown instanceof Refusal ? kindWords(thrown.code, thrown.message) : String(thrown);
    }
    busy.value = false;
    void look(status.name);
  };

  return (
    <form
      ref={form}
      onSubmit={(event) => {
        event.preventDefault();
        void send(false);
      }}
    >
      <h2 id="ask-title">Deploy to {status.name}</h2>
      {cost && <p class="cost">{cost}</p>}
      <Fields run={status.run} />
      <WhoAndWhy by={by} why={why} />
      {wrong.value && (
        <p class="wrong" role="alert">
          {wrong.value}
        </p>
      )}
      {dry.value && <p role="status">{dry.value}</p>}
      <p class="buttons">
        <button type="submit" class="main" disabled={busy.value}>
          {busy.value ? 'Working…' : 'Deploy'}
        </button>
        <button type="button" disabled={busy.value} onClick={() => void send(true)}>
          Dry run
        </button>
        <button type="button" onClick={close}>
          Cancel
        </button>
      </p>
    </form>
  );
}

function Fields({ run }: { run: 'static' | 'process' | 'docker' }) {
  return (
    <div class="said">
      <label>
        Release
        <input
          name="release"
          data-first
          required
          maxLength={128}
          pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
          title="Letters, digits, dot, underscore and hyphen, beginning with a letter or digit"
          autocomplete="off"
        />
      </label>
      {run === 'docker' && (
        <label>
          Image
          <input name="image" required maxLength={512} autocomplete="off" />
        </label>
      )}
      {run === 'static' && (
        <label>
          Targets <span class="quiet">(host:port, https://host or unix:/path, one a line)</span>
          <textarea name="targets" required rows={3} />
        </label>
      )}
      <label>
        Flip
        <select name="flip">
          <option value="">as the configuration says</option>
          <option value="auto">by itself, once it is ready</option>
          <option value="manual">when I say so</option>
        </select>
      </label>
      <label>
        To be confirmed within <span class="quiet">(10m; else it goes back)</span>
        <input
          name="confirmWithin"
          pattern="\d+(\.\d+)?(s|m|h|d)"
          title="A time such as 30s, 10m or 2h"
          autocomplete="off"
        />
      </label>
      <label>
        Going back from it is unsafe, because{' '}
        <span class="quiet">(else it can be gone back from)</span>
        <input name="rollbackUnsafe" maxLength={500} autocomplete="off" />
      </label>
    </div>
  );
}

function orderIn(data: FormData): Record<string, unknown> {
  const text = (name: string): string => String(data.get(name) ?? '').trim();
  const targets = text('targets')
    .split(/[\s,]+/)
    .filter(Boolean);
  return {
    release: text('release'),
    ...(text('image') ? { image: text('image') } : {}),
    ...(targets.length > 0 ? { targets } : {}),
    ...(text('flip') ? { flip: text('flip') } : {}),
    ...(text('confirmWithin') ? { confirmWithin: text('confirmWithin') } : {}),
    ...(text('rollbackUnsafe') ? { rollbackUnsafe: text('rollbackUnsafe') } : {}),
  };
}
