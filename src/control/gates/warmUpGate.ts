/**
 * Warms a pool up: every target is asked for some paths, again and again, before any client is sent
 * there, so that the first of them does not meet code that was never run.
 *
 * The rule this file keeps: it proves nothing and fails nothing: that is for other gates. It ends
 * after so many questions, once the answers are quick enough, or when its time is over, and says
 * which, with the figures of before and after.
 */
import type { Clock } from '../../clock.ts';
import type { WarmUpHook } from '../../config/hook.ts';
import { warmUpName } from '../model/state.ts';
import type { Gate, Subject, Verdict } from './gate.ts';
import { ask, givenUp, targetRequest } from './request.ts';

/** What came of one round of questions to one target. */
interface Round {
  readonly ms: readonly number[];
  readonly failed: number;
}

interface Asking {
  readonly clock: Clock;
  readonly via: string;
  /** Monotonic. */
  readonly until: number;
  readonly signal: AbortSignal;
}

/** @param via by which a request of ours is known that comes back to ourselves. */
export function warmUpGate(hook: WarmUpHook, clock: Clock, via: string): Gate {
  return {
    name: warmUpName,
    async check(subject, signal): Promise<Verdict> {
      const until = clock.now() + hook.timeoutMs;
      const since = clock.now();
      const asking = { clock, via, until, signal };
      const all = await Promise.all(subject.targets.map((target) => warm(hook, target, asking)));
      if (signal.aborted) return { passed: false, result: givenUp };
      return { passed: true, result: wordsOf(all, hook, clock.now() - since) };
    },
  };
}

/** @returns the rounds that were made, at least one. */
async function warm(
  hook: WarmUpHook,
  target: Subject['targets'][number],
  asking: Asking,
): Promise<readonly Round[]> {
  const rounds: Round[] = [];
  for (;;) {
    const made = await round(hook, target, asking);
    rounds.push(made);
    if (asking.signal.aborted || asking.clock.now() >= asking.until) return rounds;
    if (hook.p95Ms === null || p95Of(made) <= hook.p95Ms) return rounds;
  }
}

/** Each path so often, in turn. */
async function round(
  { paths, requests, host, tls }: WarmUpHook,
  target: Subject['targets'][number],
  { clock, via, until, signal }: Asking,
): Promise<Round> {
  const ms: number[] = [];
  let failed = 0;
  for (let nth = 0; nth < requests * paths.length; nth++) {
    const since = clock.now();
    if (signal.aborted || since >= until) break;
    const path = paths[nth % paths.length] ?? '/';
    const order = targetRequest(target, { path, host, tls, via, limitMs: until - since });
    const { status } = await ask(clock, order, signal);
    ms.push(clock.now() - since);
    if (status === null || status >= 400) failed++;
  }
  return { ms, failed };
}

function p95Of(...rounds: readonly Round[]): number {
  const all = rounds.flatMap(({ ms }) => ms).sort((a, b) => a - b);
  return all[Math.ceil(all.length * 0.95) - 1] ?? 0;
}

function wordsOf(
  targets: readonly (readonly Round[])[],
  { p95Ms, timeoutMs }: WarmUpHook,
  tookMs: number,
): string {
  const rounds = targets.flat();
  const count = rounds.reduce((sum, { ms }) => sum + ms.length, 0);
  if (count === 0) return 'there was no target to warm up';
  const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
  const first = p95Of(...targets.map(([round]) => round ?? none));
  const last = p95Of(...targets.map((one) => one.at(-1) ?? none));
  const went = targets.some((one) => one.length > 1) ? `${msText(first)}, then ` : '';
  const parts = [
    `${count} requests to ${targets.length} target${targets.length === 1 ? '' : 's'} in ` +
      `${(tookMs / 1000).toFixed(1)} s`,
    `p95 ${went}${msText(last)}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(p95Ms !== null && last > p95Ms
      ? [`${msText(p95Ms)} were wanted within ${timeoutMs / 1000} s`]
      : []),
  ];
  return parts.join('; ');
}

const none: Round = { ms: [], failed: 0 };

function msText(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
