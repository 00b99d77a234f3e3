/**
 * A URL that is told of a deployment by a POST, and has to answer.
 *
 * The rule this file keeps: of the URL, which may be a secret, only the host is shown; and an
 * address of a private network is called only where the config allows that.
 */
import type { Clock } from '../../clock.ts';
import type { CallHook } from '../../config/hook.ts';
import { reasonOf } from '../../errors.ts';
import { publicLookup, refusePrivate } from '../notify/publicAddress.ts';
import { type Gate, told, type Verdict } from './gate.ts';
import { ask } from './request.ts';

export function callGate(hook: CallHook, clock: Clock): Gate {
  const url = new URL(hook.url);
  return {
    name: `POST ${url.host}`,
    async check(subject, signal): Promise<Verdict> {
      try {
        if (!hook.private) refusePrivate(url.hostname);
      } catch (thrown) {
        return { passed: false, result: reasonOf(thrown) };
      }
      const body = JSON.stringify(told(subject));
      const request = {
        to: url,
        where: url.host,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'pointsman-hook',
          ...hook.headers,
        },
        body,
        limitMs: hook.timeoutMs,
        ...(hook.private ? {} : { lookup: publicLookup }),
      };
      const { status, error } = await ask(clock, request, signal);
      if (error !== null) return { passed: false, result: error };
      const { from, to } = hook.status;
      const passed = status !== null && status >= from && status <= to;
      const wanted = from === to ? `${from}` : `${from}-${to}`;
      const result = `${url.host} answered ${status}${passed ? '' : `, and ${wanted} is wanted`}`;
      return { passed, result };
    },
  };
}
