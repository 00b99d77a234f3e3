/**
 * The buttons of a service.
 *
 * The rule this file keeps: Rollback stands first and in the same place whatever goes on. Where it
 * cannot be used it is disabled and the reason stands beside it; a disabled button keeps the
 * keyboard's focus.
 */
import { type ServiceStatus, sidesOf } from '../control/model/api.ts';
import { Answer } from './Answer.tsx';
import { type Asking, ask } from './asking.ts';
import type { ComponentChildren } from './preact.ts';
import { link, session } from './store.ts';
import { runs, sideWord } from './words.ts';

export function Actions({ status }: { status: ServiceStatus }) {
  const barred = barredBecause();
  const { rollback, deployment } = status;
  const running = runs(deployment) ? deployment : null;
  const before = running !== null && ['starting', 'probing', 'ready'].includes(running.phase);
  const { standby } = sidesOf(status);
  const notBack =
    barred ?? (rollback.ready ? null : (rollback.reason ?? 'No release to go back to.'));
  const { to } = rollback;
  const failed = failedBefore(status);
  const busy = running ? `Deployment ${running.id} runs (${running.phase}).` : null;
  const frozen = frozenBecause(status);
  const waits = unconfirmedBecause(status);
  return (
    <section class="actions panel" aria-label="The way back, and other actions">
      <Act wish="rollback" status={status} why={notBack} strong={failed === null}>
        Rollback{to ? ` to ${to.release}` : ''}
      </Act>
      <p id="why-rollback" class={notBack || failed ? 'reason' : 'reason quiet'}>
        {notBack ?? failed ?? `Ready: ${sideWord(to)} is warm and healthy. It takes milliseconds.`}
      </p>
      {rollback.unsafe !== null && (
        <p class="reason doubt" data-unsafe>
          Going back is unsafe: {rollback.unsafe}
        </p>
      )}
      {rollback.asleep && (
        <Act wish="wake" status={status} why={barred}>
          Wake {standby?.release}
        </Act>
      )}
      <Act wish="deploy" status={status} why={barred ?? frozen ?? waits ?? busy}>
        Deploy…
      </Act>
      {running?.phase === 'ready' && (
        <Act wish="flip" status={status} why={barred ?? frozen}>
          Flip to {running.to.release}
        </Act>
      )}
      {before && (
        <Act wish="abort" status={status} why={barred}>
          Abort
        </Act>
      )}
      {standby && !running && (
        <Act wish="retire" status={status} why={barred ?? waits}>
          Retire {standby.release}
        </Act>
      )}
      <Act wish={status.paused ? 'resume' : 'pause'} status={status} why={barred}>
        {status.paused ? 'Resume' : 'Pause'}
      </Act>
      <Answer service={status.name} />
    </section>
  );
}

/** Why nobody should want the release that a rollback leads to; null: nothing is known of that. */
function failedBefore({ latch, rollback: { to } }: ServiceStatus): string | null {
  if (to === null || latch?.release !== to.release) return null;
  return `${sideWord(to)} is warm, and is what was taken back: it failed.`;
}

/** Why nothing may be deployed to the service now; null: it may. */
export function frozenBecause({ freeze }: ServiceStatus): string | null {
  return freeze === null ? null : `Frozen: ${freeze}`;
}

/** Why the warm pool is kept, and nothing may take its place; null: it is not. */
export function unconfirmedBecause({ confirm }: ServiceStatus): string | null {
  return confirm && `${confirm.release} waits to be confirmed; the warm pool is the way back.`;
}

/** Rollback alone, for a row among many; why it is not ready stands in its title. */
export function RollbackInRow({ status }: { status: ServiceStatus }) {
  const { ready, to, reason } = status.rollback;
  const why = barredBecause() ?? (ready ? null : (reason ?? 'No release to go back to.'));
  if (to === null) return <span class="quiet">no warm pool</span>;
  return (
    <Act wish="rollback" status={status} why={why}>
      Rollback to {to.release}
    </Act>
  );
}

interface ActProps {
  readonly wish: Asking['wish'];
  readonly status: ServiceStatus;
  /** Why it cannot be done now; null: it can. */
  readonly why: string | null;
  readonly strong?: boolean;
  readonly children: ComponentChildren;
}

export function Act({ wish, status, why, strong, children }: ActProps) {
  return (
    <button
      type="button"
      class={strong ? 'main' : ''}
      data-wish={wish}
      aria-disabled={why !== null}
      aria-describedby={wish === 'rollback' ? 'why-rollback' : undefined}
      title={why ?? undefined}
      onClick={() => {
        if (why === null) ask(wish, status);
      }}
    >
      {children}
    </button>
  );
}

/** Why nobody can act from here now; null: one can. */
export function barredBecause(): string | null {
  if (session.value?.role === 'reader')
    return 'You are signed in as a reader: you may look, not act.';
  if (link.value === 'lost') return 'The connection is lost: this may not be how things are.';
  return null;
}
