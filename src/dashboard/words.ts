/**
 * Values as people read them.
 *
 * The rule this file keeps: every state is a word. Color and shape repeat it, they never replace
 * it.
 */

import type { CertificateStatus } from '../control/model/certificates.ts';
import { costOf, type PoolRole, type PoolStatus } from '../control/model/pools.ts';
import { type Deployment, steps } from '../control/model/state.ts';
import type { Color, Inside } from '../wire.ts';

const roles: Readonly<Record<PoolRole, string>> = {
  live: 'LIVE',
  warm: 'WARM',
  starting: 'STARTING',
  probing: 'PROBING',
  ready: 'READY',
  draining: 'DRAINING',
  retiring: 'RETIRING',
};

const meanings: Readonly<Record<PoolRole, string>> = {
  live: 'takes all new requests',
  warm: 'runs, and takes the traffic at a rollback',
  starting: 'is being started',
  probing: 'runs, and is being proved healthy',
  ready: 'is healthy, and waits for the flip',
  draining: 'finishes what is inside',
  retiring: 'is being stopped',
};

/** What a pool is now, in one word. @param paused its service lets no new request in. */
export function roleWord(pool: PoolStatus | null, paused = false): string {
  if (!pool) return 'EMPTY';
  return paused && pool.role === 'live' ? 'PAUSED' : roles[pool.role];
}

export function roleMeaning(pool: PoolStatus | null, paused = false): string {
  if (!pool) return 'nothing runs here';
  if (paused && pool.role === 'live') return 'is live, and gets no new request';
  return meanings[pool.role];
}

/** `BLUE v1` */
export function sideWord(side: { readonly color: Color; readonly release: string } | null): string {
  return side ? `${side.color.toUpperCase()} ${side.release}` : 'nothing';
}

const runningPhases = steps.slice(0, -1);

/** Is the deployment one that has not ended? */
export function runs(deployment: Deployment | null): deployment is Deployment {
  return deployment !== null && runningPhases.includes(deployment.phase);
}

/** `1 request`, `2 requests` */
export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** `1 request waits`, `2 requests wait` */
export function waitWord(count: number): string {
  return `${plural(count, 'request')} wait${count === 1 ? 's' : ''}`;
}

/** How many are inside, of any kind. */
export function insideCount(inside: Inside): number {
  return inside.http + inside.sse + inside.upgrade;
}

/** What has become of a deployment: one that flipped is live until another one has. */
export function endWord(deployment: Deployment, liveId: string | undefined): string {
  const { phase, receipt, id } = deployment;
  if (runs(deployment)) return `now ${phase}`;
  return receipt && id !== liveId ? 'superseded' : phase;
}

/** `3 http, 1 sse`, or `none`. */
export function insideWord(inside: Inside): string {
  const parts: string[] = [];
  if (inside.http > 0) parts.push(`${inside.http} http`);
  if (inside.sse > 0) parts.push(`${inside.sse} sse`);
  if (inside.upgrade > 0) parts.push(`${inside.upgrade} upgrade`);
  return parts.join(', ') || 'none';
}

/** `12 s`, `4 min`, `3 h`, `2 d`. @param ms below zero reads as 0 s: clocks differ. */
export function spanWord(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `12 s ago`, by the clock of this machine. */
export function agoWord(iso: string | null, nowMs: number): string {
  if (iso === null) return 'never';
  return `${spanWord(nowMs - Date.parse(iso))} ago`;
}

/** `14:03:09` today, with the date otherwise. */
export function timeWord(iso: string): string {
  const date = new Date(iso);
  const clock = date.toLocaleTimeString('en-GB');
  const day = date.toLocaleDateString('sv-SE');
  return day === new Date().toLocaleDateString('sv-SE') ? clock : `${day} ${clock}`;
}

/** How a certificate stands. `bad`: somebody should look at it. */
export function certificateWord(
  { source, notAfter, lastError }: CertificateStatus,
  nowMs: number,
): { readonly words: string; readonly bad: boolean } {
  if (notAfter === null) {
    const words = source === 'temporary' ? 'a temporary one is served' : 'there is none';
    return { words, bad: true };
  }
  const left = Date.parse(notAfter) - nowMs;
  if (left < 0) return { words: 'has ended', bad: true };
  // Certificates of six days are renewed with two days left; files are put there by somebody.
  const soon = left < (source === 'file' ? 7 : 1.5) * 86_400_000;
  return { words: `${spanWord(left)} left`, bad: soon || lastError !== null };
}

/** Three figures: `0.42 ms`, `12.3 ms`, `1.24 s`. */
export function msWord(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–';
  if (ms >= 1000) return `${figures(ms / 1000)} s`;
  return `${figures(ms)} ms`;
}

/** Three figures, never an exponent. */
export function figures(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `128 MiB, 3 % CPU`; empty where its platform does not say what a pool costs. */
export function costWord(pool: PoolStatus): string {
  const { memoryBytes, cpuPercent } = costOf(pool);
  if (memoryBytes === null) return '';
  return `${bytesWord(memoryBytes)}${cpuPercent === null ? '' : `, ${figures(cpuPercent)} % CPU`}`;
}

function bytesWord(bytes: number): string {
  return bytes >= 1 << 30 ? `${figures(bytes / 2 ** 30)} GiB` : `${figures(bytes / 2 ** 20)} MiB`;
}
