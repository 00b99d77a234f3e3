/**
 * The text of a state file: format number, revision, checksum, payload.
 *
 * The rule this file keeps: a text is either exactly what some version wrote, or it is refused with
 * the position and the reason. The checksum covers format, revision and payload, so no flipped bit
 * can change any of them unseen; it is taken over their canonical JSON, so white space is free.
 */
import { createHash } from 'node:crypto';
import { reasonOf } from '../../errors.ts';
import { type Release, type ServiceState, type State, stateFormat } from '../model/state.ts';
import { jsonFaultAt } from './json.ts';

export type Decoded =
  | { readonly kind: 'good'; readonly state: State; readonly revision: string }
  /** `at` is a byte position. */
  | { readonly kind: 'damaged'; readonly at: number; readonly why: string }
  | { readonly kind: 'newer'; readonly at: number; readonly why: string };

/** No state was ever larger: some 50 releases of each of a thousand services are half of it. */
export const bytesMax = 64 * 1024 * 1024;
/** No state was ever nested deeper. A parser that goes down a million steps is gone for long. */
const depthMax = 64;

/** Payloads from one format to the next, by the format they come from. */
const migrations: Readonly<Record<number, (payload: unknown) => unknown>> = {
  0: pausedAndReleases,
};

/** A state as text, twice: what the checksum is taken over, and what people can read. */
export interface Texts {
  readonly plain: string;
  readonly indented: string;
}

export function textsOf(state: State): Texts {
  return { plain: JSON.stringify(state), indented: JSON.stringify(state, null, 1) };
}

export function encode({ plain, indented }: Texts, revision: string): Buffer {
  const checksum = checksumOf(stateFormat, revision, plain);
  const head = JSON.stringify({ format: stateFormat, revision, checksum }).slice(0, -1);
  return Buffer.from(`${head},\n"payload":${indented}}\n`);
}

/** @param bytes all of a state file. */
export function decode(bytes: Uint8Array): Decoded {
  if (bytes.length === 0) return damaged(0, 'the file is empty');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return damaged(utf8FaultAt(bytes), 'these bytes are no UTF-8');
  }
  const deep = tooDeepAt(bytes);
  if (deep !== null) return damaged(deep, `it is nested deeper than ${depthMax}`);
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (caught) {
    const at = jsonFaultAt(text);
    const why = at === text.length ? 'the file ends too early' : reasonOf(caught);
    return damaged(Buffer.byteLength(text.slice(0, at)), `this is no JSON: ${why}`);
  }
  const at = (key: string): number =>
    Math.max(0, Buffer.byteLength(text.slice(0, text.indexOf(`"${key}"`))));
  return check(file, at);
}

/**
 * What a payload is known by; part of its revision.
 * @param plain the payload as JSON without white space.
 */
export function checksumOf(format: number, revision: string, plain: string): string {
  const canonical = `[${format},${JSON.stringify(revision)},${plain}]`;
  return `sha256:${createHash('sha256').update(canonical).digest('hex')}`;
}

function check(file: unknown, at: (key: string) => number): Decoded {
  if (!isRecord(file)) return damaged(0, 'an object was wanted');
  const { format, revision, checksum, payload } = file;
  if (typeof format !== 'number' || !Number.isInteger(format) || format < 0) {
    return damaged(at('format'), 'a format number was wanted');
  }
  if (format > stateFormat) {
    const why = `it is of format ${format}, written by a newer Pointsman; this one reads up to`;
    return { kind: 'newer', at: at('format'), why: `${why} ${stateFormat}` };
  }
  if (typeof revision !== 'string') return damaged(at('revision'), 'a revision was wanted');
  if (checksum !== checksumOf(format, revision, JSON.stringify(payload))) {
    return damaged(at('checksum'), 'the checksum is not that of the content');
  }
  let current = payload;
  for (let from = format; from < stateFormat; from++) current = migrations[from]?.(current);
  if (!isRecord(current) || !isRecord(current.services)) {
    return damaged(at('payload'), 'a map of services was wanted');
  }
  return { kind: 'good', state: current as unknown as State, revision };
}

/**
 * Format 0 knew neither `paused` nor `releases`: nothing was paused, and the pools are what was
 * deployed.
 */
function pausedAndReleases(payload: unknown): unknown {
  if (!isRecord(payload) || !isRecord(payload.services)) return payload;
  const services: Record<string, unknown> = {};
  for (const [name, old] of Object.entries(payload.services)) {
    services[name] = isRecord(old)
      ? { paused: false, releases: releasesIn(old as unknown as ServiceState), ...old }
      : old;
  }
  return { ...payload, services };
}

function releasesIn(service: ServiceState): Release[] {
  const { blue, green } = service.pools;
  const pools = service.live === 'blue' ? [blue, green] : [green, blue];
  const releases = new Map<string, Release>();
  for (const pool of pools) if (pool) releases.set(pool.release.name, pool.release);
  return [...releases.values()];
}

/**
 * The first byte that no UTF-8 text can have there: the longest prefix that decodes, by halving.
 */
function utf8FaultAt(bytes: Uint8Array): number {
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      good = middle;
    } catch {
      bad = middle;
    }
  }
  return good;
}

/** The first byte that opens more than a state ever does; null: none. */
function tooDeepAt(bytes: Uint8Array): number | null {
  const [quote, backslash] = [0x22, 0x5c];
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === backslash) at++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > depthMax) return at;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return null;
}

function damaged(at: number, why: string): Decoded {
  return { kind: 'damaged', at, why };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
