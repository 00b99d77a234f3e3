/**
 * The dialog that asks back; what came of it is told where the button was.
 *
 * The rule this file keeps: one intention is one key. A double click, or a new try after the answer
 * was lost, sends the same key and cannot happen twice; and once the service has changed under the
 * dialog, it says so and offers nothing but to close.
 */
import type { ServiceStatus } from '../control/model/api.ts';
import type { Deployment } from '../control/model/state.ts';
import { act, Refusal } from './api.ts';
import {
  type Asking,
  answered,
  asking,
  kindWords,
  orderOf,
  questionOf,
  type Wish,
} from './asking.ts';
import { DeployForm } from './DeployForm.tsx';
import { look } from './live.ts';
import { useEffect, useRef, useSignal } from './preact.ts';
import { statusOf, takeDeployments } from './store.ts';
import { WhoAndWhy, whoAndWhyIn } from './WhoAndWhy.tsx';

export function AskDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const shown = useRef<Asking | null>(null);
  const now = asking.value;
  useEffect(() => {
    const node = dialog.current;
    if (!node) return;
    if (now) shown.current = now;
    if (now && !node.open) {
      node.showModal();
      // What was meant is one key away; a form that is to be filled begins with its first field.
      node.querySelector<HTMLElement>('[data-first]')?.focus();
    }
    if (!now && node.open) node.close();
  }, [now]);
  const close = (): void => {
    asking.value = null;
  };
  // The browser tells of Escape some time after it: by then the next question may have been asked.
  const closed = (): void => {
    if (!dialog.current?.open && asking.value === shown.current) close();
  };
  return (
    <dialog ref={dialog} onClose={closed} aria-labelledby="ask-title">
      {now &&
        (now.wish === 'deploy' ? (
          <DeployForm key={now.key} from={now} close={close} />
        ) : (
          <Ask key={now.key} wish={now.wish} from={now} close={close} />
        ))}
    </dialog>
  );
}

interface Props {
  readonly wish: Wish;
  readonly from: Asking;
  readonly close: () => void;
}

function Ask({ wish, from, close }: Props) {
  const busy = useSignal(false);
  const refusal = useSignal<Refusal | null>(null);
  const by = useRef<HTMLInputElement>(null);
  const why = useRef<HTMLInputElement>(null);
  const question = questionOf(wish, from);
  const repeat = useRef<HTMLInputElement>(null);
  const current = statusOf(from.status.name).value;
  const changed = current !== null && current.generation !== from.status.generation;

  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value || answered.value) return;
    busy.value = true;
    refusal.value = null;
    try {
      const got = await act<Deployment | ServiceStatus>(
        orderOf(wish, from, {
          ...whoAndWhyIn(by.current, why.current),
          ...unsafeIn(repeat.current),
        }),
      );
      if ('phase' in got) takeDeployments([got]);
      answered.value = { service: from.status.name, words: question.done, answer: got };
      close();
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      refusal.value = thrown;
    } finally {
      busy.value = false;
      void look(from.status.name);
    }
  };

  const stale = changed && !busy.value;
  const final = stale || (refusal.value !== null && refusal.value.status !== 0);
  return (
    <form onSubmit={(event) => void send(event)}>
      <h2 id="ask-title">{question.title}</h2>
      <ul>
        {question.happens.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {!final && question.repeat !== undefined && <Repeat text={question.repeat} input={repeat} />}
      {!final && <WhoAndWhy by={by} why={why} />}
      <Wrong refusal={refusal.value} stale={stale} now={current?.generation} />
      <p class="buttons">
        {!final && (
          <button type="submit" class="main" data-first disabled={busy.value}>
            {busy.value ? 'Working…' : question.yes}
          </button>
        )}
        <button type="button" onClick={close}>
          {final ? 'Close' : 'Cancel'}
        </button>
      </p>
    </form>
  );
}

/** Whoever does it all the same has read why nobody should. */
function Repeat({ text, input }: { text: string; input: { current: HTMLInputElement | null } }) {
  return (
    <div class="said">
      <label>
        To go back all the same, type why it is unsafe
        <input ref={input} name="unsafe" required placeholder={text} autocomplete="off" />
      </label>
    </div>
  );
}

function unsafeIn(input: HTMLInputElement | null): Readonly<Record<string, string>> {
  return input === null ? {} : { unsafe: input.value };
}

function Wrong(props: { refusal: Refusal | null; stale: boolean; now: number | undefined }) {
  const { refusal, stale, now } = props;
  if (refusal) {
    return (
      <p class="wrong" role="alert">
        {kindWords(refusal.code, refusal.message)}
      </p>
    );
  }
  if (!stale) return null;
  return (
    <p class="wrong" role="alert">
      Somebody was faster: the service is at generation {now} now. Nothing was changed by you. Close
      this, and look again.
    </p>
  );
}
