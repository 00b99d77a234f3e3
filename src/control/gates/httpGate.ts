/**
 * A request that every target of a pool has to answer, as the config says it.
 *
 * The rule this file keeps: each target is asked itself, so that one bad replica among good ones is
 * found; the first answer that is not as wanted ends it, and says which target gave it.
 */
import { type Clock, pause } from '../../clock.ts';
import { formatTarget } from '../../config/address.ts';
import type { HttpHook } from '../../config/hook.ts';
import { cleaned } from '../health/targetConnection.ts';
import type { Gate, Subject, Verdict } from './gate.ts';
import { ask, type GateAnswer, givenUp, targetRequest } from './request.ts';

/** Of a body that is not as wanted, so much is shown. */
const shownMax = 200;

/** @param via by which a request of ours is known that comes back to ourselves. */
export function httpGate(hook: HttpHook, clock: Clock, via: string): Gate {
  return {
    name: `${hook.method} ${hook.path}`,
    async check(subject, signal): Promise<Verdict> {
      const ender = new AbortController();
      const both = AbortSignal.any([signal, ender.signal]);
      const until = clock.now() + hook.timeoutMs;
      const looks = subject.targets.map(async (target) => {
        const error = await askTarget(hook, target, { clock, via, until, signal: both });
        // The others need not go on.
        if (error !== null) ender.abort();
        return error;
      });
      const errors = (await Promise.all(looks)).filter((error) => error !== null);
      if (signal.aborted) return { passed: false, result: givenUp };
      const [first] = errors.filter((error) => error !== givenUp);
      if (first !== undefined) return { passed: false, result: first };
      if (subject.targets.length === 0)
        return { passed: false, result: 'there is no target to ask' };
      const asked = hook.times === 1 ? '' : ` ${hook.times} times`;
      return { passed: true, result: `${targetsText(subject)} answered${asked} as wanted` };
    },
  };
}

interface Asking {
  readonly clock: Clock;
  readonly via: string;
  /** Monotonic. */
  readonly until: number;
  readonly signal: AbortSignal;
}

/** @returns what was wrong; null: nothing. */
async function askTarget(
  hook: HttpHook,
  target: Subject['targets'][number],
  { clock, via, until, signal }: Asking,
): Promise<string | null> {
  const where = formatTarget(target);
  for (let time = 1; time <= hook.times; time++) {
    if (time > 1) await pause(clock, hook.everyMs, signal);
    const limitMs = until - clock.now();
    if (limitMs <= 0)
      return `${where} was asked ${time - 1} of ${hook.times} times within its time`;
    const { path, host, tls, method } = hook;
    const plain = targetRequest(target, { path, host, tls, via, limitMs });
    const headers = { ...plain.headers, ...lowerCased(hook.headers) };
    const answer = await ask(clock, { ...plain, method, headers }, signal);
    const error = wrongWith(answer, hook, where);
    if (error !== null) return error;
  }
  return null;
}

/** Null where it is as wanted. */
function wrongWith(answer: GateAnswer, hook: HttpHook, where: string): string | null {
  if (answer.error !== null) return answer.error;
  const { status, body } = answer;
  const { from, to } = hook.status;
  const what = `${hook.method} ${hook.path}`;
  if (status === null || status < from || status > to) {
    const wanted = from === to ? `${from}` : `${from}-${to}`;
    return `${where} answered ${status} to ${what}, and ${wanted} is wanted${saying(body)}`;
  }
  if (hook.text !== null && !body.includes(hook.text)) {
    return `${where} answered ${what} without ${JSON.stringify(hook.text)}${saying(body)}`;
  }
  return wrongJson(hook, body, `${where} answered ${what}`);
}

function wrongJson({ json }: HttpHook, body: string, answered: string): string | null {
  const wanted = Object.entries(json);
  if (wanted.length === 0) return null;
  let root: unknown;
  try {
    root = JSON.parse(body);
  } catch {
    return `${answered} with something that is not JSON${saying(body)}`;
  }
  for (const [path, value] of wanted) {
    const got = memberOf(root, path);
    if (got === value) continue;
    const shown = got === undefined ? 'nothing' : (JSON.stringify(got) ?? '').slice(0, shownMax);
    return `${answered} with ${shown} for ${path}, and ${JSON.stringify(value)} is wanted`;
  }
  return null;
}

function memberOf(root: unknown, path: string): unknown {
  let at = root;
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[name];
  }
  return at;
}

function saying(body: string): string {
  const text = cleaned(Buffer.from(body.slice(0, shownMax)));
  return text === '' ? '' : `, saying "${text}"`;
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

function targetsText({ targets }: Subject): string {
  return targets.length === 1 ? '1 target' : `${targets.length} targets`;
}
