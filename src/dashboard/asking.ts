/**
 * What a person can ask for, and in which words they are asked back before it happens.
 *
 * The rule this file keeps: the question names both releases and says what will happen to requests,
 * and the order is pinned to what the person saw: release and generation as of the click.
 */
import { provedIn, type ServiceStatus, sidesOf } from '../control/model/api.ts';
import type { Deployment } from '../control/model/state.ts';
import { newKey, type Order, servicePath } from './api.ts';
import { signal } from './preact.ts';
import { costWord, plural, sideWord } from './words.ts';

export type Wish =
  | 'again'
  | 'rollback'
  | 'flip'
  | 'abort'
  | 'retire'
  | 'wake'
  | 'acknowledge'
  | 'confirm'
  | 'pause'
  | 'resume';

export interface Asking {
  readonly wish: Wish | 'deploy';
  /** As it was at the click. */
  readonly status: ServiceStatus;
  readonly key: string;
  /** Of `again`: which. */
  readonly release?: string;
}

export interface Question {
  readonly title: string;
  readonly happens: readonly string[];
  readonly yes: string;
  readonly done: string;
  /** What has to be typed before it can be done; absent: nothing. */
  readonly repeat?: string;
}

/** What came of a question: told where its button is, and not in front of the page. */
export interface Answered {
  readonly service: string;
  readonly words: string;
  readonly answer: Deployment | ServiceStatus;
}

/** The question that is open; null: none. */
export const asking = signal<Asking | null>(null);
/** The last answer, until it is put away or the next question is asked; null: none. */
export const answered = signal<Answered | null>(null);

const byKey = 'pointsman.by';

export function ask(wish: Asking['wish'], status: ServiceStatus): void {
  answered.value = null;
  asking.value = { wish, status, key: newKey() };
}

/** Asks whether a release of before is to be deployed again. */
export function askAgain(release: string, status: ServiceStatus): void {
  answered.value = null;
  asking.value = { wish: 'again', status, key: newKey(), release };
}

/** What a deployment takes away or takes up before it has anything to give; null: nothing. */
export function costOf(status: ServiceStatus): string | null {
  const { rollback, warmUntil, run } = status;
  const { to } = rollback;
  if (to === null) return null;
  const warm = `${sideWord(to)}, which is warm, is`;
  if (warmUntil === 'deploy') {
    return `${warm} stopped for it: until the flip there is no rollback.`;
  }
  if (run === 'static') {
    return `${warm} kept until the flip, unless the new targets are in its place.`;
  }
  const { live } = sidesOf(status);
  const cost = live && costWord(live);
  const more = cost ? `, which costs about ${cost} more (as ${live?.release} does now)` : '';
  return `${warm} kept until the flip, to go back to: three pools run until then${more}.`;
}

/** The name that stands in the history; kept in this browser. */
export function rememberedName(): string {
  try {
    return localStorage.getItem(byKey) ?? '';
  } catch {
    return '';
  }
}

export function rememberName(name: string): void {
  try {
    localStorage.setItem(byKey, name);
  } catch {
    // A browser that keeps nothing asks again.
  }
}

export function questionOf(wish: Wish, { status, release = '' }: Asking): Question {
  const { name, rollback } = status;
  const { unsafe } = rollback;
  const failed = status.latch?.release === rollback.to?.release ? status.latch : null;
  const { live: livePool, standby } = sidesOf(status);
  const live = sideWord(livePool && { color: livePool.color, release: livePool.release });
  const other = sideWord(standby && { color: standby.color, release: standby.release });
  const proved = provedIn(status);
  const next = sideWord(proved && { color: proved.color, release: proved.release });
  const moves = [
    `All new requests of ${name} go to ${wish === 'flip' ? next : other} in place of ${live}, at one instant.`,
    `What is inside ${live} ends there; nobody is cut off by the flip.`,
  ];
  switch (wish) {
    case 'again':
      return {
        title: `Deploy ${release} to ${name} again?`,
        happens: [
          `${release} is started as it ran when it was live, proved healthy, and flipped to.`,
          ...(costOf(status) === null ? [] : [costOf(status) ?? '']),
          `${live} takes the traffic until then.`,
        ],
        yes: `Deploy ${release} again`,
        done: `The deployment of ${release} has begun.`,
      };
    case 'rollback':
      return {
        title: `Roll ${name} back from ${live} to ${sideWord(status.rollback.to)}?`,
        happens: [
          ...(failed ? [`${failed.release} was taken back by itself: ${failed.reason}`] : []),
          ...(unsafe === null ? [] : [`Going back from ${livePool?.release} is unsafe: ${unsafe}`]),
          ...moves,
          ...(proved ? [`The deployment of ${proved.release} is aborted.`] : []),
          `Nothing is started. ${live} stays warm afterwards.`,
        ],
        yes: `Roll back to ${status.rollback.to?.release ?? ''}`,
        done: 'Rolled back.',
        ...(unsafe !== null && { repeat: unsafe }),
      };
    case 'flip':
      return {
        title: `Flip ${name} from ${live} to ${next}?`,
        happens: [...moves, `${live} stays warm, so that you can roll back.`],
        yes: `Flip to ${proved?.release ?? ''}`,
        done: 'Flipped.',
      };
    case 'abort':
      return {
        title: `Abort the deployment of ${status.deployment?.to.release ?? ''}?`,
        happens: [`${next} is stopped. ${live} goes on as if nothing had been.`],
        yes: 'Abort the deployment',
        done: 'Aborted.',
      };
    case 'retire':
      return {
        title: `Retire ${other}?`,
        happens: [`${other} is stopped and emptied. There is no rollback afterwards.`],
        yes: `Retire ${standby?.release ?? ''}`,
        done: 'Retired.',
      };
    case 'wake':
      return {
        title: `Wake ${other}?`,
        happens: [
          `${other} is made able to take the traffic of ${name}, all of it, and probed.`,
          'Nothing is switched. When it is healthy, Rollback is ready.',
        ],
        yes: `Wake ${standby?.release ?? ''}`,
        done: 'It is being woken.',
      };
    case 'acknowledge':
      return {
        title: `Let ${name} be deployed again?`,
        happens: [
          status.latch?.reason ?? '',
          `Nothing is switched. The next deployment of ${name} is not refused any more.`,
        ],
        yes: 'I know of it',
        done: 'Deployments are taken again.',
      };
    case 'confirm':
      return {
        title: `Does ${live} stay?`,
        happens: [
          `${live} is confirmed: ${name} does not go back by itself any more.`,
          'Nothing is switched. The next deployment takes the place of the warm pool again.',
        ],
        yes: `Confirm ${livePool?.release ?? ''}`,
        done: 'Confirmed: it stays.',
      };
    case 'pause':
      return {
        title: `Pause ${name}?`,
        happens: [
          `New requests wait instead of going to ${live}; over the limit they get 503.`,
          'What is inside ends as usual. Resume lets all that wait go on.',
        ],
        yes: `Pause ${name}`,
        done: 'Paused.',
      };
    case 'resume':
      return {
        title: `Resume ${name}?`,
        happens: [
          status.waiting === 0
            ? `New requests go to ${live} again.`
            : `${plural(status.waiting, 'request')} that waited, and all new ones, go to ${live}.`,
        ],
        yes: `Resume ${name}`,
        done: 'Resumed.',
      };
  }
}

/** @param said by and why, for the history. */
export function orderOf(wish: Wish, from: Asking, said: Readonly<Record<string, string>>): Order {
  const { status, key } = from;
  const { name, generation } = status;
  const order = { method: 'POST', generation, key, body: said } as const;
  switch (wish) {
    case 'abort': {
      const id = encodeURIComponent(status.deployment?.id ?? '');
      return { ...order, method: 'DELETE', path: `v1/deployments/${id}` };
    }
    case 'retire':
      return { ...order, method: 'DELETE', path: servicePath(name, '/standby') };
    case 'rollback': {
      const to = status.rollback.to?.release ?? '';
      return { ...order, path: servicePath(name, '/rollback'), body: { ...said, to } };
    }
    case 'again': {
      const body = { ...said, release: from.release ?? '', again: true };
      return { ...order, path: servicePath(name, '/deployments'), body };
    }
    default:
      return { ...order, path: servicePath(name, `/${wish}`) };
  }
}

/** A refusal in kind words: what it means to the person who clicked. */
export function kindWords(code: string, message: string): string {
  switch (code) {
    case 'GENERATION_STALE':
      return `Somebody was faster: the service has changed since you looked. Your click changed nothing. ${message}`;
    case 'DEPLOYMENT_IN_PROGRESS':
    case 'ROLLBACK_NOT_READY':
    case 'ROLLBACK_UNSAFE':
    case 'FLIP_NOT_READY':
    case 'ABORT_TOO_LATE':
    case 'RETIRE_REFUSED':
    case 'RELEASE_LIVE':
    case 'RELEASE_WARM':
    case 'LATCHED':
    case 'FROZEN':
    case 'CONFIRM_PENDING':
    case 'CONFIRM_REFUSED':
      return `Not now, and nothing was changed. ${message}`;
    case 'UNAUTHORIZED':
      return `You are not signed in any more. Nothing was changed. ${message}`;
    case 'FORBIDDEN':
      return `You may look, but not act. Nothing was changed. ${message}`;
    default:
      // As the form has them: one a line, counted from 1.
      return message.replaceAll(
        /\btargets\.(\d+)/g,
        (_all, index: string) => `targets, line ${Number(index) + 1}`,
      );
  }
}
