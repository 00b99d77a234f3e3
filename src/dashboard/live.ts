/**
 * Keeps the page true: one event stream, and a fresh look at whatever an event says has changed.
 *
 * The rule this file keeps: the page never pretends. While the stream is down it says so, and when
 * it is back everything is read again. A tab that nobody sees holds no connection: browsers allow
 * six to one address, and the seventh tab would hang.
 */
import type { PointsmanEvent, ServiceStatus } from '../control/model/api.ts';
import type { CertificateStatus } from '../control/model/certificates.ts';
import type { Sample, SamplePoint } from '../control/model/samples.ts';
import type { Deployment } from '../control/model/state.ts';
import { onUnauthorized, Refusal, read, servicePath, useCsrf } from './api.ts';
import {
  certificates,
  link,
  nextAsk,
  nowMs,
  opened,
  points,
  type Session,
  session,
  takeDeployments,
  takeLine,
  takeSample,
  takeService,
  takeServices,
} from './store.ts';

const eventTypes = [
  'deployment',
  'progress',
  'probe',
  'target',
  'flip',
  'watch',
  'service',
  'worker',
  'config',
  'handover',
];

/** The wait before the n-th new try of the stream. */
const retryMs = [500, 1000, 2000, 5000];
/** Silence after which a stream that brought a sample each second counts as dead. */
const silenceMs = 15_000;
/** Events of one moment lead to one look. */
const gatherMs = 60;
/** Up to so many services are looked at one by one. */
const singlyMax = 5;
/** Figures of the open service, and a look at all for what no event tells. */
const openMs = 2000;
const allMs = 30_000;

let source: EventSource | null = null;
let lastId: number | null = null;
let tries = 0;
/** When the last sample came; 0: none did on this stream. */
let sampledMs = 0;
let retry: ReturnType<typeof setTimeout> | undefined;
let gathering = false;
const dirty = new Set<string>();

/** Begins; call once. */
export function start(): void {
  onUnauthorized(() => {
    if (session.peek()?.role !== null) void readSession();
  });
  document.addEventListener('visibilitychange', () => (seen() ? connect() : disconnect()));
  setInterval(tick, 1000);
  let rounds = 0;
  setInterval(() => {
    if (!seen() || link.peek() !== 'live') return;
    rounds += 1;
    const name = opened.peek();
    if (rounds % (allMs / openMs) === 0) void lookAtAll();
    else if (name !== null) void look(name);
  }, openMs);
  connect();
}

/**
 * Says who the page is to the server now.
 * @throws never: an unanswered question leaves things as they are.
 */
export async function readSession(): Promise<void> {
  try {
    takeSession(await read<Session>('v1/session'));
  } catch (thrown) {
    // A server without sign-in asks for nothing.
    if (thrown instanceof Refusal && thrown.status === 404) {
      takeSession({ needed: false, role: 'operator', csrf: null });
    }
  }
}

export function takeSession(next: Session): void {
  useCsrf(next.csrf);
  session.value = next;
  if (next.role === null) disconnect();
  else connect();
}

/** Looks at one service again; a service that is gone is taken out by a look at all. */
export async function look(name: string): Promise<void> {
  const ask = nextAsk();
  try {
    takeService(await read<ServiceStatus>(servicePath(name)), ask);
  } catch (thrown) {
    if (thrown instanceof Refusal && thrown.status === 404) await lookAtAll();
  }
}

/** Opens a service, or the overview: reads what only its own page shows. */
export async function open(name: string | null): Promise<void> {
  opened.value = name;
  points.value = [];
  if (name === null || session.peek()?.role == null) return;
  await Promise.all([look(name), readHistory(name), readPoints(name)]);
}

function seen(): boolean {
  return document.visibilityState === 'visible';
}

function tick(): void {
  if (!seen()) return;
  nowMs.value = Date.now();
  // A connection that died without a word is noticed by its silence.
  if (sampledMs > 0 && performance.now() - sampledMs > silenceMs) lost();
}

function connect(): void {
  if (source || !seen()) return;
  clearTimeout(retry);
  if (session.peek() === null) {
    void readSession().then(() => {
      if (session.peek() === null) lost();
    });
    return;
  }
  if (session.peek()?.role === null) return;
  source = new EventSource(`v1/events?samples=true&after=${lastId ?? 0}`);
  source.onopen = () => {
    tries = 0;
    void lookAtAll().then(() => open(opened.peek()));
    link.value = 'live';
  };
  source.onerror = lost;
  for (const type of eventTypes) source.addEventListener(type, heard);
  source.addEventListener('sample', (message) => {
    sampledMs = performance.now();
    takeSample(JSON.parse(message.data) as Sample);
  });
}

function disconnect(): void {
  clearTimeout(retry);
  source?.close();
  source = null;
  sampledMs = 0;
}

/** Our own retry in place of the browser's: it gives up for good on an answer that is no stream. */
function lost(): void {
  disconnect();
  link.value = 'lost';
  if (!seen()) return;
  retry = setTimeout(
    () => {
      if (tries > 1) void readSession();
      connect();
    },
    retryMs[Math.min(tries, retryMs.length - 1)],
  );
  tries += 1;
}

function heard(message: MessageEvent<string>): void {
  const event = JSON.parse(message.data) as PointsmanEvent;
  lastId = event.id;
  if (event.type === 'deployment') takeDeployments([event.deployment]);
  takeLine(event);
  if ('service' in event && event.type !== 'progress') dirty.add(event.service);
  if (event.type === 'config') dirty.add('');
  if (gathering) return;
  gathering = true;
  setTimeout(() => {
    gathering = false;
    const some = [...dirty];
    dirty.clear();
    if (some.length > singlyMax || some.includes('')) void lookAtAll();
    else for (const name of some) void look(name);
  }, gatherMs);
}

async function lookAtAll(): Promise<void> {
  const ask = nextAsk();
  try {
    const { services } = await read<{ services: readonly ServiceStatus[] }>('v1/services');
    takeServices(services, ask);
    const path = 'v1/certificates';
    const all = await read<{ certificates: readonly CertificateStatus[] }>(path);
    certificates.value = all.certificates;
  } catch {
    // The stream tells of a lost connection; a look that failed alone comes again.
  }
}

async function readHistory(name: string): Promise<void> {
  try {
    const path = `v1/deployments?service=${encodeURIComponent(name)}&limit=50`;
    takeDeployments((await read<{ deployments: readonly Deployment[] }>(path)).deployments);
  } catch {
    // As above; `open` is called again with the next connection.
  }
}

async function readPoints(name: string): Promise<void> {
  try {
    const path = servicePath(name, '/samples');
    const { samples } = await read<{ samples: readonly SamplePoint[] }>(path);
    if (opened.peek() !== name) return;
    const last = samples.at(-1)?.atMs ?? 0;
    points.value = [...samples, ...points.peek().filter((point) => point.atMs > last)];
  } catch {
    // Where no past figures are kept the chart begins now.
  }
}
