/**
 * What is done around the flips of a service: from the fields of a file to what is done, and the
 * rules between those fields.
 *
 * The rule this file keeps: what is written in short means what its long form means by itself.
 */
import type { TargetTls } from '../wireTls.ts';
import type { Hook, HookMoment, HttpHook } from './hook.ts';
import { callKeys, commandKeys, httpKeys, warmUpKeys } from './hookSchema.ts';
import type { Reading } from './reading.ts';
import { defaultsOf } from './records.ts';
import type { ServiceFields } from './schema.ts';
import { formatDuration } from './units.ts';

type HookFields = Partial<ServiceFields['hooks']['beforeFlip'][number]>;

/** @param tls how targets are spoken to. @param absolute makes a path of the file one of the machine. */
export function serviceHooks(
  { smoke, warmUp, hooks, health }: ServiceFields,
  tls: TargetTls,
  absolute: (path: string) => string,
): Readonly<Record<HookMoment, readonly Hook[]>> {
  const to = { host: health.host, tls };
  const all = (ones: readonly HookFields[]): readonly Hook[] =>
    ones.flatMap((one) => hookOf(one, to, absolute));
  return {
    // Warmed up last: what fails before need not be, and what is warm does not cool down.
    beforeFlip: [
      ...all([...smoke.map((path) => ({ http: path })), ...hooks.beforeFlip]),
      ...warmUpOf(warmUp, to),
    ],
    afterFlip: all(hooks.afterFlip),
    afterRollback: all(hooks.afterRollback),
    onFailure: all(hooks.onFailure),
  };
}

/** Reports what does not go together. */
export function checkHooks(of: ServiceFields, service: string, reading: Reading): void {
  const { hooks, smoke, warmUp, protocol } = of;
  const asks = [
    ...smoke,
    ...(warmUp === null ? [] : [warmUp]),
    ...Object.values(hooks)
      .flat()
      .filter((one) => 'http' in one && one.http),
  ];
  if (protocol === 'h2' && asks.length > 0) {
    const key = smoke.length > 0 ? 'smoke' : warmUp === null ? 'hooks' : 'warmUp';
    const path = `${service}.${key}`;
    const wanted = 'wanted commands and calls where targets are spoken to by HTTP/2';
    reading.report(path, reading.at(path), `${wanted}, got a request, which is one of HTTP/1.1`);
  }
  for (const [moment, ones] of Object.entries(hooks)) {
    const list = `${service}.hooks.${moment}`;
    // What is wrong in a list is left out of it, and the others move up.
    if (reading.spoilt(list)) continue;
    for (const [index, { http, command }] of (ones as readonly HookFields[]).entries()) {
      if (command && ('run' in command ? command.run : command)[0]?.trim() === '') {
        const path = `${list}[${index}].command`;
        reading.report(path, reading.at(path), 'wanted a program, got ""');
      }
      if (typeof http !== 'object' || http === null) continue;
      const leastMs = (http.times - 1) * http.every;
      if (leastMs < http.timeout) continue;
      const path = `${list}[${index}].http.timeout`;
      const pace = `${http.times} times every ${formatDuration(http.every)} take`;
      const wanted = `wanted more than the ${formatDuration(leastMs)} that ${pace}`;
      reading.report(path, reading.at(path), `${wanted}, got ${formatDuration(http.timeout)}`);
    }
  }
}

function warmUpOf(
  warmUp: ServiceFields['warmUp'],
  to: Pick<HttpHook, 'host' | 'tls'>,
): readonly Hook[] {
  if (warmUp === null) return [];
  const full = 'paths' in warmUp ? warmUp : { ...defaultsOf(warmUpKeys), paths: warmUp };
  const { paths, requests, p95, timeout } = full;
  return [{ kind: 'warmUp', paths, requests, p95Ms: p95, ...to, timeoutMs: timeout }];
}

function hookOf(
  { http, command, call }: HookFields,
  to: Pick<HttpHook, 'host' | 'tls'>,
  absolute: (path: string) => string,
): readonly Hook[] {
  if (http) {
    const full = typeof http === 'string' ? { ...defaultsOf(httpKeys), path: http } : http;
    const { every, timeout, ...rest } = full;
    return [{ kind: 'http', ...rest, ...to, everyMs: every, timeoutMs: timeout }];
  }
  if (command) {
    const full = 'run' in command ? command : { ...defaultsOf(commandKeys), run: command };
    const { run, cwd, env, timeout } = full;
    return [{ kind: 'command', command: run, cwd: absolute(cwd ?? '.'), env, timeoutMs: timeout }];
  }
  if (call) {
    const full = typeof call === 'string' ? { ...defaultsOf(callKeys), url: call } : call;
    const { timeout, ...rest } = full;
    return [{ kind: 'call', ...rest, timeoutMs: timeout }];
  }
  return [];
}
