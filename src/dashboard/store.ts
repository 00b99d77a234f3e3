/**
 * What the page knows: signals that its parts read, each part only its own.
 *
 * The rule this file keeps: everything in it is bounded, so that the page can stay open for weeks,
 * and a late answer never overwrites a newer one.
 */
import type { PointsmanEvent, ServiceStatus } from '../control/model/api.ts';
import type { CertificateStatus } from '../control/model/certificates.ts';
import type { Sample, SamplePoint } from '../control/model/samples.ts';
import type { Deployment } from '../control/model/state.ts';
import { batch, type Signal, signal } from './preact.ts';
import { runs } from './words.ts';

/** Deployments kept for the history. */
export const deploymentsMax = 200;
/** Lines kept of one deployment's timeline, and timelines kept. */
export const linesMax = 200;
const timelinesMax = 20;
/** Points of the chart: a quarter of an hour at one a second. */
export const pointsMax = 900;

export interface Session {
  /** Whether a token must be shown before anything can be seen. */
  readonly needed: boolean;
  /** null: not signed in. */
  readonly role: 'operator' | 'reader' | null;
  readonly csrf: string | null;
}

export interface Line {
  /** Of the last event it tells, and of the first. */
  readonly id: number;
  readonly firstId: number;
  readonly at: string;
  readonly kind: 'phase' | 'progress' | 'passed' | 'failed';
  readonly text: string;
  /** Of a probe: what it was, and how it ended. One that ends as the last of its target is folded. */
  readonly probe?: { readonly target: string; readonly outcome: string };
  /** How often in a row, and when last. */
  readonly times: number;
  readonly lastAt: string;
}

export type Link = 'connecting' | 'live' | 'lost';

export const session = signal<Session | null>(null);
export const link = signal<Link>('connecting');
/** Sorted by name. */
export const names = signal<readonly string[] | null>(null);
export const certificates = signal<readonly CertificateStatus[]>([]);
export const deployments = signal<readonly Deployment[]>([]);
export const sample = signal<Sample | null>(null);
/** The chart's points of the service that is open. */
export const points = signal<readonly SamplePoint[]>([]);
/** The name of the service that is open; null: the overview. */
export const opened = signal<string | null>(null);
/** Ticks once a second while the page is seen. */
export const nowMs = signal(Date.now());

const services = new Map<string, Signal<ServiceStatus | null>>();
const lines = new Map<string, Signal<readonly Line[]>>();
const asked = new Map<string, number>();
let asks = 0;

/** The status of a service; null while it is not known. */
export function statusOf(name: string): Signal<ServiceStatus | null> {
  let status = services.get(name);
  if (!status) {
    status = signal<ServiceStatus | null>(null);
    services.set(name, status);
  }
  return status;
}

/** The timeline of a deployment, oldest first. */
export function linesOf(deployment: string): Signal<readonly Line[]> {
  let known = lines.get(deployment);
  if (!known) {
    known = signal<readonly Line[]>([]);
    lines.set(deployment, known);
    const oldest = lines.keys().next().value;
    if (lines.size > timelinesMax && oldest !== undefined) lines.delete(oldest);
  }
  return known;
}

/** Numbers a question, so that its answer can be told from a newer one. */
export function nextAsk(): number {
  asks += 1;
  return asks;
}

/** @param ask the number the question had. */
export function takeService(status: ServiceStatus, ask: number): void {
  if ((asked.get(status.name) ?? 0) > ask) return;
  asked.set(status.name, ask);
  statusOf(status.name).value = status;
  if (status.deployment) takeDeployments([status.deployment]);
}

export function takeServices(all: readonly ServiceStatus[], ask: number): void {
  batch(() => {
    for (const status of all) takeService(status, ask);
    const now = all.map((status) => status.name).sort((a, b) => a.localeCompare(b));
    if (now.join('\n') !== names.peek()?.join('\n')) names.value = now;
    for (const name of services.keys()) {
      if (now.includes(name)) continue;
      statusOf(name).value = null;
      if (opened.peek() !== name) services.delete(name);
      asked.delete(name);
    }
  });
}

/**
 * Puts them in, newest first; an older telling of the same deployment never replaces a newer one.
 */
export function takeDeployments(some: readonly Deployment[]): void {
  const byId = new Map(deployments.peek().map((one) => [one.id, one]));
  let changed = false;
  for (const one of some) {
    const known = byId.get(one.id);
    if (known && !supersedes(one, known)) continue;
    byId.set(one.id, one);
    changed = true;
  }
  if (!changed) return;
  deployments.value = [...byId.values()]
    .sort((a, b) => b.startedAt.localeCompare(a.startedAt) || b.id.localeCompare(a.id))
    .slice(0, deploymentsMax);
}

/** Appends what an event says to the timeline it belongs to. */
export function takeLine(event: PointsmanEvent): void {
  if (event.type === 'progress') addLine(event.deployment, event, 'progress', event.line);
  if (event.type === 'deployment') {
    const { deployment } = event;
    const kind = deployment.phase === 'failed' ? 'failed' : 'phase';
    const why = deployment.error ? `: ${deployment.error.message}` : '';
    addLine(deployment.id, event, kind, `${deployment.phase}${why}`);
  }
  if (event.type !== 'probe') return;
  const running = deployments
    .peek()
    .find((one) => one.service === event.service && runs(one) && one.to.color === event.color);
  if (!running) return;
  const { result, target, passes, rise } = event;
  const got = `${result.status ?? 'no status'}, ${Math.round(result.ms)} ms`;
  // It answers well, and its platform says `starting` or `unhealthy`.
  const row = `passed ${Math.min(passes, rise)} of ${rise}`;
  const counts = passes > 0 ? row : 'passed, and does not count yet';
  const failed = `failed: ${result.error ?? 'no reason given'}`;
  const text = `${target} ${result.passed ? `${counts} (${got})` : failed}`;
  const probe = { target, outcome: result.passed ? counts : failed };
  addLine(running.id, event, result.passed ? 'passed' : 'failed', text, probe);
}

/** Keeps the newest sample, and the open service's part of it for the chart. */
export function takeSample(next: Sample): void {
  batch(() => {
    sample.value = next;
    const name = opened.peek();
    if (name === null) return;
    const mine = next.services[name] ?? { blue: null, green: null };
    points.value = [...points.peek(), { atMs: next.atMs, ...mine }].slice(-pointsMax);
  });
}

function addLine(
  id: string,
  event: PointsmanEvent,
  kind: Line['kind'],
  text: string,
  probe?: Line['probe'],
): void {
  const known = linesOf(id);
  const before = known.peek();
  const last = before.at(-1);
  // Events are replayed after a lost connection; a phase is told again when its receipt grows.
  if (newestOf(before) >= event.id || (!probe && last?.text === text)) return;
  const { at } = event;
  const same = probe && before.findLast((line) => line.probe?.target === probe.target);
  if (same && same.probe?.outcome === probe.outcome) {
    const folded = { ...same, id: event.id, times: same.times + 1, lastAt: at };
    known.value = before.map((line) => (line === same ? folded : line));
    return;
  }
  const { id: firstId } = event;
  const line = {
    id: firstId,
    firstId,
    at,
    kind,
    text,
    times: 1,
    lastAt: at,
    ...(probe && { probe }),
  };
  known.value = [...before, line].slice(-linesMax);
}

/** The newest event told: a folded line is newer than those below it. */
function newestOf(lines: readonly Line[]): number {
  return lines.reduce((newest, { id }) => Math.max(newest, id), 0);
}

/** Before the flip a telling is as good as it is late; after it, by how much has ended. */
function stageOf(deployment: Deployment): number {
  if (runs(deployment)) return deployment.phase === 'draining' ? 1 : 0;
  return 2;
}

function endedOf(deployment: Deployment): number {
  const drained = deployment.receipt?.drained;
  return drained ? drained.finished + drained.clientAborted + drained.cut : -1;
}

function supersedes(next: Deployment, known: Deployment): boolean {
  const stage = stageOf(next) - stageOf(known);
  if (stage !== 0) return stage > 0;
  if (endedOf(next) < endedOf(known)) return false;
  return JSON.stringify(next) !== JSON.stringify(known);
}
