/**
 * The commands that only look: status, history, events, health.
 *
 * The rule this file keeps: looking never changes anything and ends with 0 whatever there is to
 * see, except `health`, whose whole purpose is its exit code.
 */
import { type Clock, pause } from '../clock.ts';
import type { ServiceStatus } from '../control/model/api.ts';
import type { Deployment } from '../control/model/state.ts';
import { certificateNotes, readCertificates } from './certificates.ts';
import { type Context, give } from './context.ts';
import { readService } from './deploy.ts';
import { isAway, type StreamItem, streamEvents } from './eventStream.ts';
import { exits, Failure } from './exits.ts';
import { eventLine } from './receipt.ts';
import { detail, overview } from './status.ts';
import { duration, moment, table, wrap } from './text.ts';

/** In flight and waiting change without an event: they are read again this often. */
const refreshMs = 2_000;
/** Events come in bursts; a picture of the last of them is enough. */
const settleMs = 100;

/** @param service undefined: all. @throws Failure */
export async function status(context: Context, service: string | undefined): Promise<number> {
  const found = await read(context, service);
  give(context, found.json, () => found.text);
  return exits.ok;
}

/**
 * The picture again whenever something happens: in place on a terminal, else events as lines below
 * it.
 */
export async function watchStatus(context: Context, service: string | undefined): Promise<number> {
  const query = service === undefined ? { after: null } : { service, after: null };
  const stream = streamEvents(context, query);
  const drawn = context.io.stdout.isTTY && !context.json;
  return drawn ? watchDrawn(context, service, stream) : watchPlain(context, service, stream);
}

async function watchPlain(
  context: Context,
  service: string | undefined,
  stream: AsyncGenerator<StreamItem, never>,
): Promise<number> {
  for await (const item of stream) {
    if (item.kind === 'open' || context.json) await showAgain(context, service, item);
    else if (item.kind === 'event') context.print(eventLine(item.event));
  }
  return exits.ok;
}

async function watchDrawn(
  context: Context,
  service: string | undefined,
  stream: AsyncGenerator<StreamItem, never>,
): Promise<number> {
  const { stdout, clock } = context.io;
  let shown = '';
  let next = stream.next();
  next.catch(() => {});
  for (;;) {
    try {
      shown = (await read(context, service)).text;
      stdout.write(screen(shown, context));
    } catch (thrown) {
      if (shown === '' || !isAway(thrown)) throw thrown;
      const why = context.paint.doubtful(`Out of sight, trying again. ${thrown.message}`);
      stdout.write(screen(`${why}\n\n${shown}`, context));
    }
    const item = await within(clock, refreshMs, next);
    if (!item) continue;
    if (item.done) return exits.ok;
    next = stream.next();
    next.catch(() => {});
    await pause(clock, settleMs, context.stop);
  }
}

async function showAgain(
  context: Context,
  service: string | undefined,
  item: StreamItem,
): Promise<void> {
  if (item.kind === 'away') return;
  try {
    const found = await read(context, service);
    context.print(context.json ? JSON.stringify(found.json) : found.text);
  } catch (thrown) {
    if (!isAway(thrown)) throw thrown;
  }
}

async function read(
  context: Context,
  service: string | undefined,
): Promise<{ readonly json: unknown; readonly text: string }> {
  const look = { paint: context.paint, columns: context.columns, now: context.io.clock.date() };
  if (service !== undefined) {
    const found = await readService(context, service);
    return { json: found, text: detail(found, look) };
  }
  const { services } = (
    await context.client.call<{ services: readonly ServiceStatus[] }>('GET', '/v1/services')
  ).body;
  const notes = certificateNotes(await readCertificates(context), look);
  const text = overview(services, look);
  return { json: { services }, text: [text, ...notes].join('\n') };
}

/**
 * Home, every line cleared to its end, the rest of the screen cleared; never more lines than there
 * are.
 */
function screen(text: string, context: Context): string {
  const lines = text.split('\n').slice(0, context.io.stdout.rows - 1);
  return `\u001b[H${lines.map((line) => `${line}\u001b[K\n`).join('')}\u001b[0J`;
}

async function within<T>(clock: Clock, limitMs: number, promise: Promise<T>): Promise<T | null> {
  const ended = new AbortController();
  try {
    return await Promise.race([promise, pause(clock, limitMs, ended.signal).then(() => null)]);
  } finally {
    ended.abort();
  }
}

/** @throws Failure */
export async function history(
  context: Context,
  service: string | undefined,
  limit: number,
): Promise<number> {
  const query = new URLSearchParams({ limit: String(limit) });
  if (service !== undefined) query.set('service', service);
  const { deployments } = (
    await context.client.call<{ deployments: readonly Deployment[] }>(
      'GET',
      `/v1/deployments?${query}`,
    )
  ).body;
  give(context, { deployments }, () => historyText(deployments, context));
  return exits.ok;
}

/** A line each, and below it why, and what went wrong: sentences do not fit into columns. */
function historyText(deployments: readonly Deployment[], context: Context): string {
  if (deployments.length === 0) return 'Nothing has been deployed yet.';
  const { faint, bad } = context.paint;
  const head = ['ID', 'STARTED (UTC)', 'WHAT', 'END', 'BY'];
  const live = liveIds(deployments);
  const rows = deployments.map((deployment) => [
    deployment.id,
    moment(deployment.startedAt).slice(0, 16),
    `${deployment.direction} ${deployment.from?.release ?? 'nothing'} -> ${deployment.to.release}`,
    endText(deployment, live),
    deployment.by,
  ]);
  const grid = table([head.map((text) => ({ text, paint: faint })), ...rows], context.columns);
  const [first = '', ...lines] = grid.split('\n');
  const parts = [first];
  deployments.forEach(({ why, error }, i) => {
    parts.push(lines[i] ?? '');
    if (why) parts.push(wrap('    why: ', why, context.columns));
    if (error) parts.push(bad(wrap('    ', error.message, context.columns)));
  });
  return parts.join('\n');
}

/** Of each service the last that flipped; `deployments` is newest first, and begins with the last. */
function liveIds(deployments: readonly Deployment[]): ReadonlySet<string> {
  const last = new Map<string, string>();
  for (const { service, receipt, id } of deployments) {
    if (receipt && !last.has(service)) last.set(service, id);
  }
  return new Set(last.values());
}

function endText({ id, phase, receipt, error }: Deployment, live: ReadonlySet<string>): string {
  if (receipt) return `${live.has(id) ? phase : 'superseded'}, held ${duration(receipt.holdMs)}`;
  return error ? `${phase} ${error.code}` : phase;
}

/** @throws Failure */
export async function events(
  context: Context,
  service: string | undefined,
  options: { readonly follow: boolean; readonly after: number | null },
): Promise<number> {
  const of = service === undefined ? {} : { service };
  const show = (event: Parameters<typeof eventLine>[0]): void => {
    context.print(context.json ? JSON.stringify(event) : eventLine(event));
  };
  if (!options.follow) {
    const stream = await context.client.open({ ...of, after: options.after ?? 0, follow: false });
    for await (const event of stream.events) show(event);
    stream.end();
    return exits.ok;
  }
  for await (const item of streamEvents(context, { ...of, after: options.after })) {
    if (item.kind === 'event') show(item.event);
    if (item.kind === 'away') context.note(`Out of sight, trying again. ${item.why}`);
  }
  return exits.ok;
}

/** 0 if Pointsman can take traffic and calls. @throws Failure */
export async function health(context: Context): Promise<number> {
  const { status: code, body } = await context.client.call<{
    readonly ready: boolean;
    readonly reasons: readonly string[];
  }>('GET', '/readyz', { also: [503] });
  if (code === 200) {
    give(context, body, () => 'ready');
    return exits.ok;
  }
  throw new Failure(exits.refused, `Not ready: ${body.reasons.join(' ')}`, body);
}
