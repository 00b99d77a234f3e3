/**
 * What a flip reports about itself, as a small table; and what happens, as one line each.
 *
 * The rule this file keeps: the words are those of docs/concepts.md, and every line stands for
 * itself, so that a log of them can be searched.
 */

import type { PointsmanEvent } from '../control/model/api.ts';
import type { ProbeResult } from '../control/model/pools.ts';
import type { Deployment, Receipt } from '../control/model/state.ts';
import type { Handover, Party } from '../ipc.ts';
import type { Inside } from '../wire.ts';
import type { Paint } from './paint.ts';
import { duration, moment, plural, wrap } from './text.ts';

export function receiptText(receipt: Receipt, paint: Paint, columns: number): string {
  const { service, from, to, drained } = receipt;
  const left = from ? `${from.release} (${from.color})` : 'nothing';
  const head = `${service}: ${left} -> ${to.release} (${to.color}), generation ${receipt.generation}`;
  const rows: [string, string][] = [
    ['committed', `${receipt.committedAt.replace('T', ' ').replace('Z', '')} UTC`],
    ['flip', `${duration(receipt.flipMs)} over ${plural(receipt.workers, 'worker')}`],
    ['held', `${duration(receipt.holdMs)} at most${againText(receipt)}`],
    ['waited', waitedText(receipt)],
    ['in flight', `${insideText(receipt.inflight)} on the old pool`],
  ];
  if (receipt.warmUp !== undefined) rows.push(['warmed up', receipt.warmUp]);
  if (drained) {
    rows.push([
      'drained',
      `${drained.finished} finished, ${drained.clientAborted} aborted by clients, ` +
        `${drained.cut} cut, ${drained.stillOpen} still open`,
    ]);
  }
  const lines = rows.map(([name, text]) => wrap(`  ${name.padEnd(11)}`, text, columns));
  return [paint.strong(head), ...lines].join('\n');
}

function againText({ attempts = 1 }: Receipt): string {
  return attempts === 1 ? '' : `, in attempt ${attempts}: workers were too busy before`;
}

function waitedText(receipt: Receipt): string {
  if (receipt.waited === 0) return 'no request';
  return `${plural(receipt.waited, 'request')}, at most ${duration(receipt.waitedMsMax)}`;
}

export function insideText(inside: Inside): string {
  return `${inside.http} http, ${inside.sse} sse, ${inside.upgrade} upgrade`;
}

/** What one deployment is, in a few words. */
export function deploymentText(deployment: Deployment): string {
  const { direction, from, to } = deployment;
  const left = from ? ` (from ${from.release} on ${from.color})` : '';
  return `${direction} ${to.release} on ${to.color}${left}`;
}

/** Why a deployment ended without a flip. */
export function failureText(deployment: Deployment): string {
  const { id, phase, error } = deployment;
  return `${id} ${phase}: ${error?.message ?? 'no reason is known.'}`;
}

/** How a probe ended, and where it stands in its row. */
export function probeLine(event: Extract<PointsmanEvent, { type: 'probe' }>): string {
  const { result, passes, rise } = event;
  // It answers well, and its platform says `starting` or `unhealthy`: the row has not begun.
  const counts = passes > 0 ? `passed ${Math.min(passes, rise)} of ${rise}` : 'does not count yet';
  return `probe ${result.passed ? counts : 'failed'}: ${probeText(result)}`;
}

export function probeText(result: ProbeResult): string {
  if (result.passed) return `${result.status ?? 'passed'} in ${duration(result.ms)}`;
  const body = result.body ? `: ${JSON.stringify(result.body.slice(0, 80))}` : '';
  return `${result.error ?? `status ${result.status}`}${body}`;
}

/** Where a hand-over is, in one line. */
export function handoverLine({ phase, from, to, switchMs, left, error }: Handover): string {
  if (phase === 'starting') return `the successor of ${partyText(from)} is starting`;
  if (phase === 'failed') return error ?? 'it failed';
  const successor = to === null ? 'the successor' : partyText(to);
  if (phase === 'switching') return `${successor} is ready, and is given the state`;
  if (phase === 'draining') {
    const took = switchMs === null ? '' : ` (the state changed hands in ${duration(switchMs)})`;
    return `${successor} serves${took}; connections of pid ${from.pid} may end`;
  }
  if (left === null) return `pid ${from.pid} has ended`;
  const { connections, ended, tunnels, cut } = left;
  const closed = `${ended} ended by themselves, ${plural(tunnels, 'WebSocket')} closed, ${cut} cut`;
  return `pid ${from.pid} has ended: of ${plural(connections, 'connection')} ${closed}`;
}

function partyText({ version, node, pid }: Party): string {
  return `Pointsman ${version} (Node ${node}, pid ${pid})`;
}

/** One event as one line, without its time. */
function eventText(event: PointsmanEvent): string {
  switch (event.type) {
    case 'deployment': {
      const { id, phase, by, error } = event.deployment;
      const why = error ? `: ${error.message}` : '';
      return `${id} ${phase}, ${deploymentText(event.deployment)}, by ${by}${why}`;
    }
    case 'progress':
      return `${event.deployment} ${event.line}`;
    case 'probe': {
      return `${event.service} ${event.color} ${event.target} ${probeLine(event)}`;
    }
    case 'target': {
      const state = event.healthy ? 'is healthy' : 'is down';
      return `${event.service} ${event.color} ${event.target} ${state}: ${event.why}`;
    }
    case 'flip': {
      const { from, to, generation, holdMs, waited } = event.receipt;
      const held = `held ${duration(holdMs)}, ${plural(waited, 'request')} waited`;
      const left = from ? `${from.release} -> ` : '';
      return `${event.service} flipped ${left}${to.release}, generation ${generation}, ${held}`;
    }
    case 'watch': {
      const { release, phase, reason } = event.watch;
      return `${event.service} ${release} ${phase}${reason === null ? '' : `: ${reason}`}`;
    }
    case 'service':
      return `${event.service} ${event.what}`;
    case 'worker':
      return `worker ${event.worker} ${event.what}: ${event.why}`;
    case 'config':
      return `config ${event.ok ? 'taken' : 'refused'}: ${event.what}`;
    case 'handover':
      return handoverLine(event.handover);
  }
}

/** One event as a line of a log. */
export function eventLine(event: PointsmanEvent): string {
  return `${moment(event.at)}  ${event.type.padEnd(10)}  ${eventText(event)}`;
}
