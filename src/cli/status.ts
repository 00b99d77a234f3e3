/**
 * What is live, as text: all services in a table, or one with its pools and targets.
 *
 * The rule this file keeps: it is readable at 80 columns, without color, and whatever is not as it
 * should be has its reason on a line of its own.
 */
import { type ServiceStatus, sidesOf } from '../control/model/api.ts';
import { costOf, type PoolStatus, type TargetStatus } from '../control/model/pools.ts';
import { otherColor } from '../wire.ts';
import { checkLines } from './checks.ts';
import type { Paint } from './paint.ts';
import { deploymentText, insideText, probeText } from './receipt.ts';
import { ago, bytes, type Cell, clip, duration, plural, since, table, wrap } from './text.ts';

export interface Look {
  readonly paint: Paint;
  readonly columns: number;
  readonly now: Date;
}

export function overview(services: readonly ServiceStatus[], look: Look): string {
  if (services.length === 0) return 'There are no services in the configuration.';
  const head = ['SERVICE', 'LIVE', 'GEN', 'HEALTHY', 'STANDBY', 'ROLLBACK', 'DEPLOYMENT'];
  const rows: (readonly Cell[])[] = [head.map((text) => ({ text, paint: look.paint.faint }))];
  for (const service of services) rows.push(rowOf(service, look));
  const coldAll = services.filter(isCold).map(({ name }) => name);
  const cold = coldAll.length > coldToldOne ? new Set(coldAll) : new Set<string>();
  const notes = services.flatMap((service) => {
    const told = cold.has(service.name) ? withoutReason(service) : service;
    return notesOf(told, look, `${service.name}: `);
  });
  if (cold.size > 0) notes.push(look.paint.faint(coldText(coldAll, services.length, look)));
  const grid = table(rows, look.columns, [2]);
  return notes.length > 0 ? `${grid}\n\n${notes.join('\n')}` : grid;
}

/** Up to so many services without a way back are told one by one. */
const coldToldOne = 2;
/** And so many by name where they are summed up. */
const coldNamed = 5;

/** There is no warm pool, and nothing more to say of it. */
function isCold(service: ServiceStatus): boolean {
  const { rollback } = service;
  return !rollback.ready && rollback.to === null && sidesOf(service).standby === null;
}

function withoutReason(service: ServiceStatus): ServiceStatus {
  return { ...service, rollback: { ...service.rollback, reason: null } };
}

function coldText(names: readonly string[], of: number, look: Look): string {
  const some = names.slice(0, coldNamed).join(', ');
  const more = names.length > coldNamed ? ` and ${names.length - coldNamed} more` : '';
  const who = names.length === of ? 'No service has a warm pool' : `No warm pool: ${some}${more}`;
  return wrap('', `${who}. A rollback becomes possible with the next deployment.`, look.columns);
}

function rowOf(service: ServiceStatus, look: Look): readonly Cell[] {
  const { rollback, deployment } = service;
  const { live: pool, standby } = sidesOf(service);
  const health = pool ? `${pool.healthy}/${pool.targets.length}` : '-';
  return [
    { text: service.name, paint: look.paint.strong },
    pool ? `${pool.color} ${pool.release}` : 'nothing',
    String(service.generation),
    { text: health, paint: paintOfHealth(pool, look.paint) },
    standby ? `${standby.color} ${standby.release} ${standby.role}` : '-',
    rollback.ready
      ? { text: 'ready', paint: look.paint.good }
      : { text: 'not ready', paint: look.paint.doubtful },
    deployment ? `${deployment.id} ${deployment.phase}` : '-',
  ];
}

/** One service: what holds for it, then each of its pools. */
export function detail(service: ServiceStatus, look: Look): string {
  const { paint } = look;
  const { live: pool } = sidesOf(service);
  const live = pool ? `${pool.color} ${pool.release} is live` : 'nothing is live';
  const parts = [`${service.name}: ${live}, generation ${service.generation}`];
  const { rollback, deployment } = service;
  const facts: [string, string][] = [
    ['hosts', service.hosts.join(', ') || 'any'],
    ['paths', service.paths.join(', ')],
    ['runs', service.run],
  ];
  if (rollback.ready && rollback.to) {
    facts.push(['rollback', `ready: to ${rollback.to.release} on ${rollback.to.color}`]);
  }
  const { watch } = service;
  if (watch?.phase === 'watching' || watch?.phase === 'passed') {
    const { sent, failed } = watch.figures ?? { sent: 0, failed: 0 };
    const figures = `${failed} of ${plural(sent, 'request')} failed`;
    const before = `${watch.baseline.failed} of ${watch.baseline.sent} before`;
    facts.push(['watch', `${watch.phase}: ${watch.release}: ${figures}, ${before}`]);
  }
  const { preview } = service;
  if (preview !== null && preview.deployment !== null) {
    const where = preview.url ?? `${preview.header}: ${preview.deployment}`;
    facts.push(['preview', `${where} shows ${preview.deployment}`]);
  }
  if (deployment) {
    const when = ago(deployment.endedAt ?? deployment.startedAt, look.now);
    facts.push([
      'last change',
      `${deployment.id} ${deployment.phase}: ${deploymentText(deployment)}, by ${deployment.by}, ${when}`,
    ]);
  }
  if (deployment) for (const [when, text] of checkLines(deployment)) facts.push([when, text]);
  const lines = facts.map(([name, text]) => wrap(`  ${name.padEnd(13)}`, text, look.columns));
  parts.push([...lines, ...notesOf(service, look, '  ')].join('\n'));
  const first = service.live ?? 'blue';
  for (const color of [first, otherColor(first)]) {
    parts.push('', poolText(service.pools[color], color, look));
  }
  const { candidate } = service;
  if (candidate) parts.push('', poolText(candidate, `candidate for ${candidate.color}`, look));
  parts[0] = paint.strong(parts[0] ?? '');
  return parts.join('\n');
}

function poolText(pool: PoolStatus | null, color: string, look: Look): string {
  const { paint, columns } = look;
  if (!pool) return `${paint.strong(color)}  EMPTY`;
  const role = pool.role === 'live' ? paint.good('LIVE') : pool.role.toUpperCase();
  const time = pool.since ? since(pool.since, look.now) : null;
  const age = time === null ? '' : ` for ${time}`;
  const healthy = `${pool.healthy} of ${plural(pool.targets.length, 'target')} healthy`;
  const head = `${paint.strong(color)}  ${role}${age}  ${pool.release}  ${healthy}`;
  const lines = [
    head,
    `  ${clip(pool.source, columns - 2)}`,
    `  inside: ${insideText(pool.inside)}${costText(pool)}`,
  ];
  const rows: (readonly Cell[])[] = [
    ['  TARGET', 'HEALTH', 'LAST PROBE', 'IN', 'REQ', 'ERR'].map((text) => ({
      text,
      paint: paint.faint,
    })),
  ];
  for (const target of pool.targets) rows.push(targetRow(target, look));
  lines.push(table(rows, columns, [3, 4, 5]));
  for (const target of pool.targets) lines.push(...targetNotes(target, look));
  return lines.join('\n');
}

function targetRow(target: TargetStatus, look: Look): readonly Cell[] {
  const { probe } = target;
  const age = probe ? `, ${ago(probe.at, look.now)}` : '';
  return [
    // Events and logs speak of ids: where one is a name, people need both.
    target.id === target.address ? `  ${target.id}` : `  ${target.id} ${target.address}`,
    healthCell(target, look),
    probe ? `${probe.passed ? probeText(probe) : (probe.status ?? 'failed')}${age}` : 'never',
    String(target.inside),
    String(target.requests),
    String(target.errors),
  ];
}

function healthCell(target: TargetStatus, { paint }: Look): Cell {
  if (target.healthy) return { text: 'up', paint: paint.good };
  if (target.state === 'frozen') return { text: 'frozen', paint: paint.doubtful };
  return { text: 'DOWN', paint: paint.bad };
}

/** What its name stands for, and which of it is left out. */
function addressesText({ addresses }: TargetStatus): string {
  const all = addresses.map(({ address, used, error }) => {
    if (used) return address;
    return `${address} left out (${error ?? 'its probes fail'})`;
  });
  return `stands for ${all.join(', ')}`;
}

/** What a number in a table cannot say: what was wrong with the probe, who took the target out. */
function targetNotes(target: TargetStatus, { columns }: Look): readonly string[] {
  const notes: string[] = [];
  const { probe, ejectedBy, failures } = target;
  const first = `    ${target.id}: `;
  const times = failures > 1 ? `failed ${failures} times in a row: ` : '';
  if (probe && !probe.passed) notes.push(wrap(first, `${times}${probeText(probe)}`, columns));
  if (!['running', 'frozen'].includes(target.state) && target.detail)
    notes.push(wrap(first, target.detail, columns));
  if (target.addresses.length > 0) notes.push(wrap(first, addressesText(target), columns));
  if (target.unresolved !== null) {
    const { reason, since } = target.unresolved;
    notes.push(wrap(first, `its name cannot be resolved since ${since}: ${reason}`, columns));
  }
  if (ejectedBy > 0) {
    const text = `taken out by ${plural(ejectedBy, 'worker')} after errors in a row`;
    notes.push(wrap(first, text, columns));
  }
  return notes;
}

function notesOf(service: ServiceStatus, look: Look, first: string): readonly string[] {
  const notes: string[] = [];
  const { doubtful, bad } = look.paint;
  const say = (text: string, paint: (text: string) => string): void => {
    notes.push(paint(wrap(first, text, look.columns)));
  };
  if (service.problem) say(service.problem, bad);
  const { live: pool } = sidesOf(service);
  if (pool && pool.healthy === 0) say('no target of the live pool is healthy', bad);
  else if (pool && pool.healthy < pool.targets.length) {
    const down = pool.targets.length - pool.healthy;
    const of = plural(pool.targets.length, 'live target');
    say(`${down} of ${of} ${down === 1 ? 'is' : 'are'} down`, doubtful);
  }
  if (service.pausePage) say('paused; requests get a 503', doubtful);
  else if (service.paused) say(`paused; ${plural(service.waiting, 'request')} waiting`, doubtful);
  else if (service.waiting > 0) say(`${plural(service.waiting, 'request')} waiting`, doubtful);
  if (!service.rollback.ready && service.rollback.reason) {
    say(`rollback is not ready: ${service.rollback.reason}`, doubtful);
  }
  const { unsafe } = service.rollback;
  if (unsafe !== null)
    say(`going back from ${pool?.release ?? 'it'} is unsafe: ${unsafe}`, doubtful);
  const { deployment, latch, watch, freeze } = service;
  const { confirm } = service;
  if (confirm?.phase === 'held') {
    say(
      `${confirm.release} was not confirmed in time, and is live all the same: ${confirm.reason}`,
      bad,
    );
  } else if (confirm) {
    const left = duration(Math.max(0, Date.parse(confirm.until) - look.now.getTime()));
    const next = `pointsman confirm ${service.name}`;
    say(
      `${confirm.release} is gone back from in ${left}, unless it is confirmed: ${next}`,
      doubtful,
    );
  }
  if (freeze !== null) say(`frozen, deployments are refused: ${freeze}`, doubtful);
  if (latch) {
    const next = `pointsman acknowledge ${service.name}`;
    say(
      `${latch.release} was taken back by itself: ${latch.reason} Deploy again after: ${next}`,
      bad,
    );
  }
  if (watch?.phase === 'held') say(`${watch.release}: ${watch.reason}`, bad);
  if (watch?.phase === 'inconclusive') say(`watch: ${watch.reason}`, doubtful);
  if (deployment?.error)
    say(`${deployment.id} ${deployment.phase}: ${deployment.error.message}`, bad);
  return notes;
}

function costText(pool: PoolStatus): string {
  const cost = costWords(pool);
  return cost === '' ? '' : `; costs ${cost}`;
}

/** `128 MiB, 3 % CPU`; empty where nobody says. */
export function costWords(pool: PoolStatus): string {
  const { memoryBytes, cpuPercent } = costOf(pool);
  const parts: string[] = [];
  if (memoryBytes !== null) parts.push(bytes(memoryBytes));
  if (cpuPercent !== null) parts.push(`${Number(cpuPercent.toFixed(1))} % CPU`);
  return parts.join(', ');
}

function paintOfHealth(pool: PoolStatus | null, paint: Paint): (text: string) => string {
  if (!pool || pool.healthy === 0) return paint.bad;
  return pool.healthy < pool.targets.length ? paint.doubtful : paint.good;
}
