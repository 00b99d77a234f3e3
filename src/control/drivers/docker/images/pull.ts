/**
 * Pulling an image, told in lines for people.
 *
 * The rule this file keeps: a pull may take as long as it moves. It is given up when nothing has
 * come for `silenceMs`, not when it is big; and it says at most one line a second.
 */
import type { Clock } from '../../../../clock.ts';
import { type Engine, Refusal, unavailable } from '../engine/engine.ts';
import { linesOf } from '../engine/lines.ts';

const silenceMs = 120_000;
const lineEveryMs = 1_000;

export interface Pull {
  readonly name: string;
  readonly tagOrDigest: string;
  readonly auth: Readonly<Record<string, string>> | null;
  readonly clock: Clock;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

interface PullLine {
  readonly status?: string;
  readonly id?: string;
  readonly error?: string;
  /** Newer engines say what went wrong here alone. */
  readonly errorDetail?: { readonly message?: string };
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

/**
 * @returns the digest the registry gave it; null where the engine did not say.
 * @throws Refusal with the engine's words; Fault DRIVER_UNAVAILABLE, ABORTED.
 */
export async function pull(engine: Engine, order: Pull): Promise<string | null> {
  const { clock, name, tagOrDigest, progress } = order;
  const named = tagOrDigest.includes(':') ? `${name}@${tagOrDigest}` : `${name}:${tagOrDigest}`;
  const began = clock.now();
  progress(`pulling ${named}`);
  const stream = await engine.stream({
    method: 'POST',
    path: '/images/create',
    query: { fromImage: name, tag: tagOrDigest },
    ...(order.auth && { auth: order.auth }),
    limitMs: silenceMs,
    signal: order.signal,
  });
  let cancelSilence = (): void => {};
  const layers = new Map<string, { current: number; total: number; done: boolean }>();
  let digest: string | null = null;
  let toldAt = began;
  try {
    for await (const line of linesOf(stream)) {
      cancelSilence();
      const silent = unavailable(engine.where, `a pull said nothing for ${silenceMs} ms`);
      cancelSilence = clock.after(silenceMs, () => stream.destroy(silent));
      const news = JSON.parse(line) as PullLine;
      // The engine answers 200 and reports what goes wrong in the body.
      const error = news.error ?? news.errorDetail?.message;
      if (error !== undefined) throw new Refusal(404, error);
      digest = /^Digest: (sha256:[0-9a-f]{64})$/.exec(news.status ?? '')?.[1] ?? digest;
      note(layers, news);
      if (clock.now() - toldAt < lineEveryMs || layers.size === 0) continue;
      toldAt = clock.now();
      progress(`pulling ${named}: ${stateOf(layers)}`);
    }
  } catch (thrown) {
    if (order.signal.aborted || thrown instanceof Refusal) throw thrown;
    throw unavailable(engine.where, 'the pull broke off', thrown);
  } finally {
    cancelSilence();
    stream.destroy();
  }
  progress(`pulled ${named} in ${((clock.now() - began) / 1000).toFixed(1)} s`);
  return digest;
}

function note(
  layers: Map<string, { current: number; total: number; done: boolean }>,
  news: PullLine,
): void {
  if (news.id === undefined || !/^[0-9a-f]{12}$/.test(news.id)) return;
  const layer = layers.get(news.id) ?? { current: 0, total: 0, done: false };
  if (news.status === 'Downloading') {
    layer.current = news.progressDetail?.current ?? layer.current;
    layer.total = news.progressDetail?.total ?? layer.total;
  }
  if (news.status === 'Pull complete' || news.status === 'Already exists') layer.done = true;
  layers.set(news.id, layer);
}

function stateOf(layers: ReadonlyMap<string, { current: number; total: number; done: boolean }>) {
  const all = [...layers.values()];
  const done = all.filter((one) => one.done).length;
  const current = all.reduce((sum, one) => sum + (one.done ? one.total : one.current), 0);
  const total = all.reduce((sum, one) => sum + one.total, 0);
  const bytes = total === 0 ? '' : `, ${megabytes(current)} of ${megabytes(total)} MB`;
  return `${done} of ${all.length} layers${bytes}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
