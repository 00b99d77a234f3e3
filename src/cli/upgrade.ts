/**
 * `pointsman upgrade`: the running Pointsman is replaced by the one that is installed now.
 *
 * The rule this file keeps: it says what happens as it happens, whichever of the two answers, and
 * ends with 0 only where the successor serves.
 */
import { pause } from '../clock.ts';
import type { Handover } from '../ipc.ts';
import { type Context, give } from './context.ts';
import { exits, Failure } from './exits.ts';
import { handoverLine } from './receipt.ts';

/** It is looked at so often. */
const lookAgainMs = 100;

export interface UpgradeOptions {
  /** Return when the old one has ended, and not when its successor serves. */
  readonly waitDrained?: boolean;
}

/** @throws Failure */
export async function upgrade(context: Context, options: UpgradeOptions): Promise<number> {
  const before = (await read(context))?.startedAt;
  await context.client.call('POST', '/v1/upgrade', { body: context.said });
  for (let said = ''; ; ) {
    const handover = await read(context);
    if (handover !== null && handover.startedAt !== before) {
      const { phase } = handover;
      if (phase === 'failed') {
        const message = `${handover.error} The one before serves as it did.`;
        const problem = { code: 'HANDOVER_FAILED', detail: message, handover };
        throw new Failure(exits.failed, message, problem);
      }
      if (phase === 'done' || (phase === 'draining' && !options.waitDrained)) {
        give(context, handover, () => handoverLine(handover));
        return exits.ok;
      }
      if (phase !== said) context.note(handoverLine(handover));
      said = phase;
    }
    await pause(context.io.clock, lookAgainMs, context.stop);
  }
}

async function read(context: Context): Promise<Handover | null> {
  const { body } = await context.client.call<{ readonly handover: Handover | null }>(
    'GET',
    '/v1/upgrade',
  );
  return body.handover;
}
