/**
 * `pointsman deploy`: begins a deployment and stays with it until it has flipped or failed.
 *
 * The rule this file keeps: it listens before it calls, so that nothing happens unseen; and what it
 * knows in the end it has read, not only heard. A controller that restarts meanwhile is waited for.
 */
import { pause } from '../clock.ts';
import { parseTarget } from '../config/address.ts';
import { type PointsmanEvent, type ServiceStatus, sidesOf } from '../control/model/api.ts';
import type { Deployment } from '../control/model/state.ts';
import { Fault } from '../errors.ts';
import { type Context, give } from './context.ts';
import { isAway, type StreamItem, streamEvents } from './eventStream.ts';
import { exits, Failure } from './exits.ts';
import { progressOf } from './progress.ts';
import { failureText, receiptText } from './receipt.ts';
import { costWords } from './status.ts';
import { duration } from './text.ts';

/**
 * A deployment that flips by itself leaves `ready` at once. One that stays there so long waits for
 * a person, be it by `--no-flip` or by `flip: manual` in the configuration.
 */
const readyMs = 2_000;

export interface DeployOptions {
  readonly image?: string;
  readonly target?: readonly string[];
  /** A release of before, as it ran: neither image nor targets. */
  readonly again?: boolean;
  /** false: `--no-flip`. */
  readonly flip?: boolean;
  /** Back by itself, unless it is confirmed so long after the flip. */
  readonly confirmWithin?: string;
  /** Why going back from it is unsafe. */
  readonly rollbackUnsafe?: string;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
  readonly waitDrained?: boolean;
}

/** @returns the exit code. @throws Failure */
export async function deploy(
  context: Context,
  service: string,
  release: string,
  options: DeployOptions,
): Promise<number> {
  const targets = options.target ?? [];
  checkRelease(release);
  for (const target of targets) checkTarget(target);
  const status = await readService(context, service);
  const generation = context.generation ?? status.generation;
  const order = {
    release,
    ...(options.image !== undefined && { image: options.image }),
    ...(targets.length > 0 && { targets }),
    ...(options.again && { again: true }),
    ...(options.flip === false && { flip: 'manual' }),
    ...(options.confirmWithin !== undefined && { confirmWithin: options.confirmWithin }),
    ...(options.rollbackUnsafe !== undefined && { rollbackUnsafe: options.rollbackUnsafe }),
    ...context.said,
  };
  const path = `${pathOf(service)}/deployments`;
  if (options.dryRun) {
    const body = { ...order, dryRun: true };
    const reply = await context.client.call<Deployment>('POST', path, { body, generation });
    give(context, reply.body, () => dryText(reply.body, status));
    return exits.ok;
  }
  // It ends with the context: a generator that waits for an event cannot be told to return.
  const stream = options.detach ? null : streamEvents(context, { service, after: null });
  // Opens it: what happens right after the call is then heard.
  await stream?.next();
  const reply = await context.client.call<Deployment>('POST', path, { body: order, generation });
  if (stream) return end(context, await follow(context, stream, reply.body, options), options);
  const hint = `${reply.body.id} has begun; watch it: pointsman status ${service} -w`;
  give(context, reply.body, () => hint);
  return exits.ok;
}

/** Follows it to where the command ends. @throws Failure */
async function follow(
  context: Context,
  stream: AsyncGenerator<StreamItem, never>,
  begun: Deployment,
  options: DeployOptions,
): Promise<Deployment> {
  const progress = progressOf(context);
  let known = begun;
  const waits = new Waiting(context, options.flip === false ? 0 : readyMs);
  try {
    progress.at(known);
    for (let next = stream.next(); !isOver(known, options); ) {
      const item = await Promise.race([next, waits.over(known)]);
      if (item === null) return known;
      next = stream.next();
      // It is awaited in the next round; until then its failure is nobody's.
      next.catch(() => {});
      if (item.done) break;
      known = (await take(context, item.value, known, progress)) ?? known;
      progress.at(known);
    }
    return known;
  } catch (thrown) {
    throw leftBehind(thrown, known);
  } finally {
    waits.end();
    progress.end();
  }
}

async function take(
  context: Context,
  item: StreamItem,
  known: Deployment,
  progress: ReturnType<typeof progressOf>,
): Promise<Deployment | null> {
  if (item.kind === 'away') {
    progress.away(item.why);
    return null;
  }
  if (item.kind === 'open') return readAgain(context, known.id);
  const { event } = item;
  if (event.type === 'deployment') {
    return event.deployment.id === known.id ? event.deployment : null;
  }
  if (isOf(event, known)) progress.event(event);
  return null;
}

/** @returns null where it cannot be read now: the stream is about to break, and to open again. */
async function readAgain(context: Context, id: string): Promise<Deployment | null> {
  try {
    const path = `/v1/deployments/${encodeURIComponent(id)}`;
    return (await context.client.call<Deployment>('GET', path)).body;
  } catch (thrown) {
    if (isAway(thrown)) return null;
    throw thrown;
  }
}

/** Notices a deployment that stays ready. */
class Waiting {
  readonly #context: Context;
  readonly #limitMs: number;
  readonly #ended = new AbortController();
  #over: Promise<null> | null = null;

  constructor(context: Context, limitMs: number) {
    this.#context = context;
    this.#limitMs = limitMs;
  }

  /** Resolves when it has been ready for long enough; never, while it is something else. */
  over(deployment: Deployment): Promise<null> {
    if (deployment.phase !== 'ready') {
      this.#over = null;
      return new Promise(() => {});
    }
    this.#over ??= pause(this.#context.io.clock, this.#limitMs, this.#ended.signal).then(
      () => null,
    );
    return this.#over;
  }

  end(): void {
    this.#ended.abort();
  }
}

function isOver(deployment: Deployment, options: DeployOptions): boolean {
  if (deployment.endedAt !== null) return true;
  return !options.waitDrained && deployment.receipt !== null;
}

function end(context: Context, deployment: Deployment, options: DeployOptions): number {
  const { service, receipt, phase, error } = deployment;
  if (phase === 'failed' || phase === 'aborted') {
    const problem = { code: error?.code, detail: error?.message, deployment };
    throw new Failure(exits.refused, failureText(deployment), problem);
  }
  give(context, deployment, () => {
    if (!receipt) return `${deployment.id} is ready and waits. Flip it: pointsman flip ${service}`;
    const drains = '\n  The old pool drains, then it stays warm.';
    const rest = receipt.drained || options.waitDrained ? '' : drains;
    return `${receiptText(receipt, context.paint, context.columns)}${rest}${confirmText(deployment)}`;
  });
  return exits.ok;
}

/** What is left to be done about a release that is not there to stay yet; empty: nothing. */
function confirmText({ service, confirmWithinMs: ms, receipt, to }: Deployment): string {
  if (ms === undefined || !receipt?.from) return '';
  const back = `It goes back to ${receipt.from.release} in ${duration(ms)}, unless you say that it stays:`;
  const { generation } = receipt;
  return `\n  ${to.release} is to be confirmed. ${back}\n  pointsman confirm ${service} --if-generation ${generation}`;
}

/** A command that stops before its deployment does says so. */
function leftBehind(thrown: unknown, { id, service }: Deployment): unknown {
  if (!(thrown instanceof Failure)) return thrown;
  if (thrown.exit !== exits.timeout && thrown.exit !== exits.interrupted) return thrown;
  const message = `${thrown.message} ${id} goes on; see: pointsman status ${service}`;
  return new Failure(thrown.exit, message, { ...thrown.problem, detail: message, deployment: id });
}

function isOf(event: PointsmanEvent, deployment: Deployment): boolean {
  if (event.type === 'progress') return event.deployment === deployment.id;
  if (event.type !== 'probe' && event.type !== 'target') return false;
  return event.service === deployment.service && event.color === deployment.to.color;
}

function dryText({ service, from, to }: Deployment, before: ServiceStatus): string {
  const live = from ? `${from.release} stays live on ${from.color}` : 'nothing is live yet';
  const would = `Would deploy ${to.release} to ${service} on ${to.color}; ${live}.`;
  return [would, costText(before), 'Nothing was started.'].filter(Boolean).join(' ');
}

/** What a deployment takes away before it has anything to give, or takes up until then. */
function costText(status: ServiceStatus): string {
  const { rollback, warmUntil, run } = status;
  const { to } = rollback;
  if (to === null) return '';
  const warm = `${to.release}, which is warm on ${to.color}, is`;
  if (warmUntil === 'deploy') {
    return `${warm} stopped for it: until the flip there is no rollback.`;
  }
  if (run === 'static') {
    return `${warm} kept until the flip, unless the new targets are in its place.`;
  }
  const { live } = sidesOf(status);
  const cost = live === null ? '' : costWords(live);
  const more = cost === '' ? '' : `, which costs about ${cost} more (as ${live?.release} does now)`;
  return `${warm} kept until the flip, to go back to: three pools run until then${more}.`;
}

/** @throws Failure with exit 2 */
function checkRelease(release: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(release)) return;
  const wanted = '1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit';
  const got = JSON.stringify(release.slice(0, 200));
  throw new Failure(exits.usage, `release: wanted ${wanted}, got ${got}.`);
}

function checkTarget(target: string): void {
  if (target.includes(',')) {
    const each = target.split(',').filter(Boolean);
    const meant = each.map((one) => `--target ${one.trim()}`).join(' ');
    throw new Failure(exits.usage, `--target takes one address; repeat --target: ${meant}`);
  }
  try {
    parseTarget(target);
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    throw new Failure(exits.usage, `--target: ${thrown.message}`);
  }
}

/** @throws Failure */
export async function readService(context: Context, service: string): Promise<ServiceStatus> {
  return (await context.client.call<ServiceStatus>('GET', pathOf(service))).body;
}

export function pathOf(service: string): string {
  return `/v1/services/${encodeURIComponent(service)}`;
}

/** The color a deployment would fill. */
export function standbyOf(service: ServiceStatus) {
  return sidesOf(service).standby;
}
