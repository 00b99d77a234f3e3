/**
 * The commands that change something and end at once, or once a warm pool is awake: flip, rollback,
 * wake, abort, retire, pause, resume, acknowledge, confirm, reload.
 *
 * The rule this file keeps: each reads the service first and sends the generation it saw, so that a
 * second click, or a colleague who was faster, is a conflict and not a second change.
 */
import { pause } from '../clock.ts';
import {
  type Reloaded,
  type RollbackStatus,
  type ServiceStatus,
  sidesOf,
} from '../control/model/api.ts';
import type { Deployment } from '../control/model/state.ts';
import { type Context, give } from './context.ts';
import { type DeployOptions, deploy, pathOf, readService, standbyOf } from './deploy.ts';
import { exits, Failure } from './exits.ts';
import { deploymentText, receiptText } from './receipt.ts';

/** A warm pool that wakes is looked at so often. */
const lookAgainMs = 250;

/** @throws Failure */
export async function flip(context: Context, service: string): Promise<number> {
  const generation = await generationOf(context, service);
  const sent = { body: context.said, generation };
  const path = `${pathOf(service)}/flip`;
  return showFlip(context, (await context.client.call<Deployment>('POST', path, sent)).body);
}

/**
 * Makes the release live, whatever that takes: what is live stays, so that CI may run twice, and
 * what is warm is gone back to, where starting it anew would throw it away first.
 *
 * @throws Failure
 */
export async function deployOrGoBack(
  context: Context,
  service: string,
  release: string,
  options: DeployOptions,
): Promise<number> {
  try {
    return await deploy(context, service, release, options);
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    const { code } = thrown.problem as { readonly code?: string };
    if (code === 'RELEASE_LIVE') {
      const { generation } = await readService(context, service);
      const value = { service, release, generation, already: 'live' };
      give(context, value, () => `${release} is live already; nothing was done.`);
      return exits.ok;
    }
    // Going back starts nothing that could be confirmed: whoever wants that has to say so.
    if (code !== 'RELEASE_WARM' || options.confirmWithin !== undefined) throw thrown;
    if (options.dryRun || options.flip === false) {
      const value = { service, release, already: 'warm' };
      const what = `Nothing needs to be started: go to it with pointsman rollback ${service}`;
      give(context, value, () => `${release} is warm already. ${what}`);
      return exits.ok;
    }
    context.note(`${release} is warm: going back to it in place of starting it anew.`);
    return rollback(context, service);
  }
}

/**
 * Goes to the warm release, and says which one before it goes.
 *
 * @param unsafe why nobody should, where that was said of what is live: repeated.
 * @throws Failure
 */
export async function rollback(
  context: Context,
  service: string,
  { unsafe }: { readonly unsafe?: string } = {},
): Promise<number> {
  const { status, to } = await wayBack(context, service);
  const { live } = sidesOf(status);
  const from = live ? `from ${live.release} on ${live.color} ` : '';
  const generation = context.generation ?? status.generation;
  // Otherwise it will be refused, and nothing is rolled anywhere.
  if (generation === status.generation) {
    context.note(`Rolling ${service} back ${from}to ${to.release} on ${to.color}.`);
    const { deployment } = status;
    if (deployment?.endedAt === null && deployment.receipt === null) {
      context.note(`  ${deployment.id} of ${deployment.to.release} is aborted by it.`);
    }
  }
  const said = { ...context.said, ...(unsafe !== undefined && { unsafe }) };
  const sent = { body: { to: to.release, ...said }, generation };
  const path = `${pathOf(service)}/rollback`;
  return showFlip(context, (await context.client.call<Deployment>('POST', path, sent)).body);
}

/** Makes the warm pool able to take the traffic, and returns when it is. @throws Failure */
export async function wake(context: Context, service: string): Promise<number> {
  const { rollback: before } = await readService(context, service);
  if (before.to === null) {
    const detail = `${service} has nothing to wake: ${before.reason ?? 'there is no warm pool.'}`;
    throw new Failure(exits.refused, detail, { code: 'ROLLBACK_NOT_READY', detail });
  }
  const { status, to } = await wayBack(context, service);
  give(context, status, () => `A rollback of ${service} to ${to.release} on ${to.color} is ready.`);
  return exits.ok;
}

/** Where a rollback goes, once it may. @throws Failure with exit 5 and the reason where it may not. */
export async function wayBack(
  context: Context,
  service: string,
): Promise<{ status: ServiceStatus; to: NonNullable<RollbackStatus['to']> }> {
  const status = await awake(context, await readService(context, service));
  const { ready, to, reason } = status.rollback;
  if (ready && to) return { status, to };
  const detail = `${service} cannot be rolled back: ${reason ?? 'there is no warm pool.'}`;
  throw new Failure(exits.refused, detail, { code: 'ROLLBACK_NOT_READY', detail });
}

/** Wakes a warm pool that rests, and waits for it. @returns the service as it is then. */
async function awake(context: Context, before: ServiceStatus): Promise<ServiceStatus> {
  const { name, generation, rollback } = before;
  if (!rollback.asleep) return before;
  const { to } = rollback;
  if (to) context.note(`Waking ${to.release} on ${to.color}.`);
  const path = `${pathOf(name)}/wake`;
  const sent = { body: context.said, generation: context.generation ?? generation };
  let { body: status } = await context.client.call<ServiceStatus>('POST', path, sent);
  let told = '';
  while (!status.rollback.ready && status.generation === generation) {
    const { reason } = status.rollback;
    // A deployment that begins takes the pool away; asleep again: it could not be woken.
    if (standbyOf(status) === null || status.rollback.asleep) return status;
    if (reason !== null && reason !== told) context.note(`  ${reason}`);
    told = reason ?? '';
    await pause(context.io.clock, lookAgainMs, context.stop);
    context.stop.throwIfAborted();
    status = await readService(context, name);
  }
  return status;
}

/** @throws Failure; exit 6 where nothing runs. */
export async function abort(context: Context, service: string): Promise<number> {
  const { deployment } = await readService(context, service);
  if (!deployment || deployment.endedAt !== null) {
    const detail = `There is nothing to abort: no deployment of ${service} runs.`;
    throw new Failure(exits.conflict, detail, { code: 'ABORT_TOO_LATE', detail });
  }
  const path = `/v1/deployments/${encodeURIComponent(deployment.id)}`;
  const { body } = await context.client.call<Deployment>('DELETE', path, { body: context.said });
  give(
    context,
    body,
    () => `${body.id} aborted (${deploymentText(body)}). The live pool was not touched.`,
  );
  return exits.ok;
}

/** @throws Failure */
export async function retire(context: Context, service: string): Promise<number> {
  const status = await readService(context, service);
  const standby = standbyOf(status);
  const sent = { body: context.said, generation: context.generation ?? status.generation };
  const path = `${pathOf(service)}/standby`;
  const { body } = await context.client.call<ServiceStatus>('DELETE', path, sent);
  give(context, body, () => {
    if (!standby) return `${service} had no standby to retire.`;
    const gone = standbyOf(body) === null ? 'is retired' : 'is being retired';
    return `${standby.release} on ${standby.color} ${gone}; there is no rollback of ${service} now.`;
  });
  return exits.ok;
}

/** @throws Failure */
export async function pauseOrResume(
  context: Context,
  service: string,
  what: 'pause' | 'resume',
  page = false,
): Promise<number> {
  const generation = await generationOf(context, service);
  const path = `${pathOf(service)}/${what}`;
  const sent = { body: { ...context.said, ...(page && { page }) }, generation };
  const { body } = await context.client.call<ServiceStatus>('POST', path, sent);
  give(context, body, () => {
    if (!body.paused) return `${service} takes requests.`;
    const meanwhile = body.pausePage ? 'new requests get a 503' : 'new requests wait';
    return `${service} is paused: ${meanwhile}. Let them go: pointsman resume ${service}`;
  });
  return exits.ok;
}

/** @throws Failure */
export async function acknowledge(context: Context, service: string): Promise<number> {
  const { latch, generation } = await readService(context, service);
  const sent = { body: context.said, generation: context.generation ?? generation };
  const path = `${pathOf(service)}/acknowledge`;
  const { body } = await context.client.call<ServiceStatus>('POST', path, sent);
  give(context, body, () =>
    latch
      ? `Known: ${latch.release} was taken back. ${service} takes deployments again.`
      : `Nothing of ${service} was taken back that is not known of.`,
  );
  return exits.ok;
}

/**
 * Says that the release which is live stays, or with `within` that it has so long from now.
 *
 * @throws Failure
 */
export async function confirm(
  context: Context,
  service: string,
  { within }: { readonly within?: string },
): Promise<number> {
  const before = await readService(context, service);
  const generation = context.generation ?? before.generation;
  const body = { ...context.said, ...(within !== undefined && { within }) };
  const path = `${pathOf(service)}/confirm`;
  const sent = { body, generation };
  const { body: after } = await context.client.call<ServiceStatus>('POST', path, sent);
  give(context, after, () => {
    if (after.confirm) {
      return `${after.confirm.release} is to be confirmed by ${after.confirm.until}, or ${service} goes back.`;
    }
    return before.confirm
      ? `${before.confirm.release} is confirmed: it stays.`
      : `Nothing of ${service} waits to be confirmed.`;
  });
  return exits.ok;
}

/** @throws Failure */
export async function reload(context: Context): Promise<number> {
  const sent = { body: context.said };
  const { body } = await context.client.call<Reloaded>('POST', '/v1/config/reload', sent);
  give(context, body, () => {
    const parts = (['added', 'removed', 'changed'] as const)
      .filter((what) => body[what].length > 0)
      .map((what) => `${what} ${body[what].join(', ')}`);
    const lines = [`The configuration was read again: ${parts.join('; ') || 'nothing changed'}.`];
    const begun = body.handover.map((what) => `  by a hand-over, which has begun: ${what}`);
    const left = body.needsRestart.map((what) => `  takes a restart: ${what}`);
    return [...lines, ...begun, ...left].join('\n');
  });
  return exits.ok;
}

async function generationOf(context: Context, service: string): Promise<number> {
  return context.generation ?? (await readService(context, service)).generation;
}

function showFlip(context: Context, deployment: Deployment): number {
  give(context, deployment, () =>
    deployment.receipt
      ? receiptText(deployment.receipt, context.paint, context.columns)
      : `${deployment.id} ${deployment.phase}: ${deploymentText(deployment)}`,
  );
  return exits.ok;
}
