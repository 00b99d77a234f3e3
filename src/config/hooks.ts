/**
 * What is done around the flips of a service: from the fields of a file to what is done, and the
 * rules between those fields.
 *
 * The rule this file keeps: what is written in short means what its long form means by itself.
 */
import type { TargetTls } from '../wireTls.ts';
import type { Hook, HookMoment, HttpHook } from './config.ts';
import { callKeys, commandKeys, httpKeys } from './hookSchema.ts';
import type { Reading } from './reading.ts';
import { defaultsOf } from './records.ts';
import type { ServiceFields } from './schema.ts';
import { formatDuration } from './units.ts';

type HookFields = Partial<ServiceFields['hooks']['beforeFlip'][number]>;

/** @param tls how targets are spoken to. @param absolute makes a path of the file one of the machine. */
export function serviceHooks(
  { smoke, hooks, health }: ServiceFields,
  tls: TargetTls,
  absolute: (path: string) => string,
): Readonly<Record<HookMoment, readonly Hook[]>> {
  const all = (ones: readonly HookFields[]): readonly Hook[] =>
    ones.flatMap((one) => hookOf(one, { host: health.host, tls }, absolute));
  return {
    beforeFlip: all([...smoke.map((path) => ({ http: path })), ...hooks.beforeFlip]),
    afterFlip: all(hooks.afterFlip),
    afterRollback: all(hooks.afterRollback),
    onFailure: all(hooks.onFailure),
  };
}

/** Reports what does not go together. */
export function checkHooks(of: ServiceFields, service: string, reading: Reading): void {
  const { hooks, smoke, protocol } = of;
  const asks = [
    ...smoke,
    ...Object.values(hooks)
      .flat()
      .filter((one) => 'http' in one && one.http),
  ];
  if (protocol === 'h2' && asks.length > 0) {
    const path = `${service}.${smoke.length > 0 ? 'smoke' : 'hooks'}`;
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
