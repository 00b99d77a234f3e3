/**
 * One health check over HTTP, as a client would make it who knows nothing yet.
 *
 * The rule this file keeps: each probe opens a connection of its own and closes it, follows
 * nothing, and ends by its deadline whatever the target does. What went wrong is one sentence that
 * a person can act on.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../clock.ts';
import { formatTarget } from '../../config/address.ts';
import type { Health } from '../../config/config.ts';
import { faults } from '../../errors.ts';
import type { ProbeResult } from '../model/pools.ts';
import { askByHttp2, type Heard, healthQuestion, healthVerdict } from './http2Probe.ts';
import {
  cleaned,
  connectTarget,
  hostOf,
  type ProbedTarget,
  sentenceOf,
} from './targetConnection.ts';

/** Of a body that is not the answer hoped for, so much is kept: enough for the reason. */
const bodyBytesMax = 200;

/**
 * Probes one target once. It always settles, within `health.timeoutMs` and a little, and never
 * throws: what went wrong is in the result. `signal` gives it up; the result is then dropped.
 */
export type Probe = (
  target: ProbedTarget,
  health: Health,
  signal: AbortSignal,
) => Promise<ProbeResult>;

interface Outcome {
  readonly status: number | null;
  readonly error: string | null;
  readonly body: string | null;
}

/**
 * Probes over node:http.
 *
 * @param mark in Via, by which a probe is known that comes back to ourselves, and is refused there.
 */
export function httpProbe(clock: Clock, mark: string): Probe {
  return async (target, health, signal) => {
    const begun = clock.now();
    const at = clock.date().toISOString();
    const outcome = await ask(clock, mark, target, health, signal);
    const ms = Math.round((clock.now() - begun) * 10) / 10;
    return { at, ms, passed: outcome.error === null, ...outcome };
  };
}

function ask(
  clock: Clock,
  mark: string,
  target: ProbedTarget,
  health: Health,
  signal: AbortSignal,
): Promise<Outcome> {
  const { address } = target;
  const where = `${formatTarget(target)}${address === undefined ? '' : ` (${address})`}`;
  return new Promise((resolve) => {
    let req: ClientRequest | null = null;
    let answered: Outcome | null = null;
    let socket: Socket | null = null;
    let stop: (() => void) | null = null;
    const end = (outcome: Outcome): void => {
      cancel();
      signal.removeEventListener('abort', gone);
      resolve(outcome);
      req?.destroy();
      stop?.();
      socket?.destroy();
    };
    const late = `no answer within ${seconds(health.timeoutMs)} from ${where}`;
    const cancel = clock.after(health.timeoutMs, () => end(answered ?? failure(late)));
    const gone = (): void => end(failure('the probe was given up'));
    signal.addEventListener('abort', gone, { once: true });
    const asked = {
      ':authority': health.host ?? hostOf(target),
      'user-agent': 'pointsman-probe',
      via: `2.0 ${mark}`,
    };
    const speak = (over: Socket): void => {
      const { grpc } = health;
      const plain = { ':path': health.path, accept: '*/*' };
      const { fields, body } =
        grpc === undefined ? { fields: plain, body: null } : healthQuestion(grpc);
      stop = askByHttp2(over, { fields: { ...asked, ...fields }, body }, (error, heard) => {
        if (error !== null) end(failure(sentenceOf(error, where)));
        else end(outcomeOf(heard, health, where));
      });
    };
    try {
      if (health.http2) {
        const by = { ...health.tls, http2: true };
        const opened = connectTarget(target, by, where, (error, over) => {
          if (error !== null) end(failure(sentenceOf(error, where)));
          else if ((over as TLSSocket).alpnProtocol === 'h2') speak(over);
          else end(failure(`${where} does not speak HTTP/2`));
        });
        socket = opened;
        opened.on('error', (error) => end(failure(sentenceOf(error, where))));
        if (target.scheme !== 'https') speak(opened);
        return;
      }
      req = request({
        path: health.path,
        method: 'GET',
        createConnection: (_, done) => {
          const opened = connectTarget(target, health.tls, where, done);
          socket = opened;
          return target.scheme === 'https' ? undefined : opened;
        },
        setHost: false,
        headers: {
          host: health.host ?? hostOf(target),
          'user-agent': 'pointsman-probe',
          accept: '*/*',
          connection: 'close',
          via: `1.1 ${mark}`,
        },
      });
      req.on('error', (error) => end(answered ?? failure(sentenceOf(error, where))));
      req.on('upgrade', (_res, socket) => {
        socket.destroy();
        end(failure(`${where} switched protocols, which a health check does not ask for`));
      });
      req.on('response', (res) => {
        answered = read(res, health, where, end);
      });
      req.end();
    } catch (thrown) {
      end(failure(sentenceOf(thrown as NodeJS.ErrnoException, where)));
    }
  });
}

/**
 * @returns the outcome as far as the head decides it; `end` gets it with the body where it failed.
 */
function read(
  res: IncomingMessage,
  health: Health,
  where: string,
  end: (outcome: Outcome) => void,
): Outcome {
  const status = res.statusCode ?? 0;
  const error = verdict(res, status, health, where);
  if (error === null) {
    const passed = { status, error: null, body: null };
    end(passed);
    return passed;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  const done = (): void => {
    const body = cleaned(Buffer.concat(chunks).subarray(0, bodyBytesMax));
    end({ status, error, body });
  };
  res.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= bodyBytesMax) done();
  });
  res.on('end', done);
  res.on('error', done);
  res.on('close', done);
  return { status, error, body: '' };
}

/** What an answer by HTTP/2 says. */
function outcomeOf(heard: Heard, health: Health, where: string): Outcome {
  const { status } = heard;
  const error =
    health.grpc === undefined
      ? verdict(heard, status, health, where)
      : healthVerdict(heard, health.grpc, where);
  const body = cleaned(heard.body.subarray(0, bodyBytesMax));
  return { status, error, body: error === null || health.grpc !== undefined ? null : body };
}

function verdict(
  res: Pick<IncomingMessage, 'headers' | 'statusMessage'> | Heard,
  status: number,
  health: Health,
  where: string,
): string | null {
  const { from, to } = health.status;
  if (status >= from && status <= to) return null;
  if (status >= 300 && status < 400 && res.headers.location !== undefined) {
    const to = cleaned(Buffer.from(res.headers.location.slice(0, bodyBytesMax)));
    return (
      `${where} redirects ${health.path} to ${to}; a health check is not followed ` +
      '(a login page is not health)'
    );
  }
  if (status === faults.LOOP_DETECTED.status) {
    return `the way to ${where} leads back to Pointsman itself: ${status} to ${health.path}`;
  }
  const wanted = from === to ? `${from}` : `${from}-${to}`;
  const said = 'statusMessage' in res ? (res.statusMessage ?? '') : '';
  const reason = cleaned(Buffer.from(said.slice(0, 100)));
  const named = reason === '' ? `${status}` : `${status} ${reason}`;
  return `${where} answered ${named} to ${health.path}, and ${wanted} is wanted`;
}

function failure(error: string): Outcome {
  return { status: null, error, body: null };
}

function seconds(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`;
}
