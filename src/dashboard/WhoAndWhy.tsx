/**
 * Asks who acts, and why: for the history.
 *
 * The rule this file keeps: nobody has to say; a name that was given is offered the next time.
 */
import { rememberedName, rememberName } from './asking.ts';

interface Props {
  readonly by: { current: HTMLInputElement | null };
  readonly why: { current: HTMLInputElement | null };
}

export function WhoAndWhy({ by, why }: Props) {
  return (
    <div class="said">
      <label>
        Your name <span class="quiet">(for the history)</span>
        <input
          ref={by}
          name="by"
          maxLength={100}
          defaultValue={rememberedName()}
          autocomplete="name"
        />
      </label>
      <label>
        Why <span class="quiet">(for the history)</span>
        <input ref={why} name="why" maxLength={1000} autocomplete="off" />
      </label>
    </div>
  );
}

export function whoAndWhyIn(
  by: HTMLInputElement | null,
  why: HTMLInputElement | null,
): Readonly<Record<string, string>> {
  const name = by?.value.trim() ?? '';
  const reason = why?.value.trim() ?? '';
  rememberName(name);
  return { by: name || 'the page', ...(reason ? { why: reason } : {}) };
}
