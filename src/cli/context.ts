/**
 * What every command is given: where to call, as whom, how to print, and when to stop.
 *
 * The rule this file keeps: options win over the environment, and a wrong one is a usage error
 * before anything is called.
 */
import { readFileSync } from 'node:fs';
import { formatAddress } from '../config/address.ts';
import { parseConfig } from '../config/load.ts';
import { parseDuration } from '../config/units.ts';
import { reasonOf } from '../errors.ts';
import { Client } from './client.ts';
import { exits, Failure } from './exits.ts';
import type { Io } from './io.ts';
import { type Paint, paintFor } from './paint.ts';

export const adminUrl = 'http://127.0.0.1:9400';

/** The options that every command takes, as commander gives them. */
export interface GlobalOptions {
  readonly admin?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
  readonly by?: string;
  readonly why?: string;
  readonly ifGeneration?: string;
  readonly timeout?: string;
  readonly color?: boolean;
}

export interface Context {
  readonly io: Io;
  readonly client: Client;
  readonly json: boolean;
  /** Of stdout, and of stderr. */
  readonly paint: Paint;
  readonly paintNotes: Paint;
  readonly columns: number;
  /** From `--if-generation`: what the caller says the generation is. */
  readonly generation: number | null;
  /** Who and why, for the body of a call. */
  readonly said: { readonly by: string; readonly why?: string };
  readonly stop: AbortSignal;
  /** One line of the result. */
  print(line: string): void;
  /** One line of progress. */
  note(line: string): void;
  /** Takes timers and signal handlers back. */
  end(): void;
}

/**
 * @param timeoutMs of the command where `--timeout` says nothing; null: none.
 * @throws Failure with exit 2.
 */
export function contextOf(io: Io, options: GlobalOptions, timeoutMs: number | null): Context {
  const stop = new AbortController();
  const limitMs = options.timeout === undefined ? timeoutMs : durationOf(options.timeout);
  const url = urlOf(options.admin ?? io.env.POINTSMAN_ADMIN ?? adminOf(io.env.POINTSMAN_CONFIG));
  const generation =
    options.ifGeneration === undefined
      ? null
      : wholeNumber('--if-generation', options.ifGeneration);
  const token = tokenOf(io, options);
  const json = options.json ?? false;
  const cancel =
    limitMs === null
      ? () => {}
      : io.clock.after(limitMs, () => {
          const message = `No answer within ${options.timeout ?? `${limitMs / 1000}s`} (--timeout).`;
          stop.abort(new Failure(exits.timeout, message, { code: 'TIMEOUT', detail: message }));
        });
  const quiet = io.onInterrupt(() => stop.abort(new Failure(exits.interrupted, 'Interrupted.')));
  return {
    io,
    client: new Client({ url, token, clock: io.clock, stop: stop.signal, raw: json }),
    json,
    paint: paintFor(io.stdout, io.env, options.color !== false),
    paintNotes: paintFor(io.stderr, io.env, options.color !== false),
    columns: io.stdout.columns,
    generation,
    said: {
      by: options.by ?? `${io.env.USER ?? io.env.LOGNAME ?? 'somebody'}@${io.hostname}`,
      // Commit messages have line breaks; history has lines.
      ...(options.why !== undefined && { why: options.why.trim().replaceAll(/\s+/g, ' ') }),
    },
    stop: stop.signal,
    print: (line) => io.stdout.write(`${line}\n`),
    note: (line) => io.stderr.write(`${line}\n`),
    end() {
      cancel();
      quiet();
      stop.abort();
    },
  };
}

/** The result of a command: as JSON where that was asked for, else as people read it. */
export function give(context: Context, value: unknown, text: () => string): void {
  context.print(context.json ? JSON.stringify(value, null, 2) : text());
}

/** @throws Failure with exit 2. */
export function wholeNumber(option: string, text: string): number {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new Failure(exits.usage, `${option}: wanted a whole number, got ${JSON.stringify(text)}.`);
}

function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0 && ms <= 86_400_000) return ms;
  throw new Failure(
    exits.usage,
    `--timeout: wanted a duration such as 30s or 5m, up to 24h, got ${JSON.stringify(text)}.`,
  );
}

/**
 * Where the config says that the admin API listens, so that a health check in a container needs no
 * setting of its own. A file that cannot be read is not the one that runs: `check` says what is
 * wrong with it.
 */
function adminOf(file: string | undefined): string {
  if (file === undefined) return adminUrl;
  try {
    const { host, port } = parseConfig(readFileSync(file, 'utf8'), file).admin.listen;
    if (host === '0.0.0.0') return `http://127.0.0.1:${port}`;
    return `http://${formatAddress({ host: host === '::' ? '::1' : host, port })}`;
  } catch {
    return adminUrl;
  }
}

function urlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username) {
    throw new Failure(
      exits.usage,
      `--admin: wanted a URL such as ${adminUrl}, got ${JSON.stringify(text)}.`,
    );
  }
  return url.href.replace(/\/+$/, '');
}

function tokenOf(io: Io, options: GlobalOptions): string | null {
  const file = options.tokenFile ?? io.env.POINTSMAN_TOKEN_FILE;
  let token = io.env.POINTSMAN_TOKEN;
  if (file) {
    try {
      token = readFileSync(file, 'utf8').trim();
    } catch (thrown) {
      throw new Failure(exits.usage, `--token-file: ${reasonOf(thrown)}.`);
    }
  }
  if (!token) return null;
  if (/^[!-~]+$/.test(token)) return token;
  throw new Failure(
    exits.usage,
    'The token has characters that no token has; is it the right file?',
  );
}
