/**
 * The admin API as a whole: it listens, it can be told to read its token again, and it ends.
 *
 * The rule this file keeps: it never listens where others can reach it without a token, and closing
 * ends every stream and idle connection at once; only a call that is being answered gets a moment
 * to finish.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../clock.ts';
import { formatAddress, isLoopback } from '../../config/address.ts';
import type { Address } from '../../config/config.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { portOwnerText } from '../../portOwner.ts';
import type { PairFiles } from '../certificates/pair.ts';
import type { Control } from '../model/api.ts';
import { type App, buildApp } from './app.ts';
import { Authenticator, readToken } from './authenticator.ts';
import { namesOf } from './origin.ts';
import { SecureServer } from './secureServer.ts';
import { Sessions } from './session.ts';
import { Streams } from './streams.ts';

/** How long calls that are being answered may take when everything else has ended. */
const finishMs = 2_000;

export interface AdminOptions {
  readonly control: Control;
  /** Port 0 asks the system for a free one. */
  readonly listen: Address;
  /**
   * A socket that was bound to that address already, as `{ fd }` or as a handle; null or not given:
   * it is bound here.
   */
  readonly socket?: object | null;
  /**
   * Absolute path of the file with the operator's token, or null: then `listen` must be loopback.
   */
  readonly tokenFile: string | null;
  /**
   * Absolute path of a file with a token that lets its holder look and not act; null or left out:
   * none.
   */
  readonly readTokenFile?: string | null;
  /** Files of the certificate that it speaks HTTPS with; null or left out: plain HTTP. */
  readonly tls?: PairFiles | null;
  /** Names besides loopback ones and the listen address that a Host header may carry. */
  readonly hosts: readonly string[];
  /** Absolute path of the built page; one that is not there is as good as null. */
  readonly pageDir: string | null;
  /**
   * Called with what was thrown, after the caller had its 500, for everything that is no `Fault`.
   */
  onBug(thrown: unknown): void;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface Admin {
  /** Where it listens, with the port the system gave. */
  readonly address: Address;
  /**
   * Reads the token files again, and takes other names and other files where they are given. A
   * changed token ends the streams and sessions that the old one opened. What cannot be read
   * changes nothing.
   *
   * @throws Fault CONFIG_INVALID, CONFIG_UNREADABLE, CERTIFICATE_INVALID
   */
  reload(
    changed?: Partial<Pick<AdminOptions, 'tokenFile' | 'readTokenFile' | 'hosts' | 'tls'>>,
  ): Promise<void>;
  close(): Promise<void>;
}

/**
 * Listens, once it has a token where it needs one.
 *
 * @throws Fault PORT_IN_USE, CONFIG_INVALID, CONFIG_UNREADABLE, CERTIFICATE_INVALID
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { control, listen, log, clock = systemClock } = options;
  let { tokenFile, readTokenFile = null, tls = null } = options;
  let names = namesOf(listen.host, options.hosts);
  const warn = (message: string): void => log.warn({}, message);
  const tokenOf = async (file: string | null): Promise<string | null> => {
    if (file !== null) return readToken(file, warn);
    if (isLoopback(listen.host)) return null;
    throw new Fault(
      'CONFIG_INVALID',
      `admin.listen is ${formatAddress(listen)}, which others can reach: set admin.tokenFile, or ` +
        'listen on 127.0.0.1.',
    );
  };
  const readTokenOf = async (file: string | null): Promise<string | null> =>
    file === null ? null : readToken(file, warn, 'readTokenFile');
  const token = await tokenOf(tokenFile);
  const authenticator = new Authenticator(token, clock, await readTokenOf(readTokenFile));
  const sessions = new Sessions(clock, authenticator);
  const streams = new Streams(control, clock);
  const readAgain = async (file: string | null, readFile: string | null): Promise<() => void> => {
    const [next, nextRead] = [await tokenOf(file), await readTokenOf(readFile)];
    return () => {
      if (!authenticator.replace(next, nextRead)) return;
      sessions.clear();
      streams.end();
    };
  };
  const secure = options.tls ? await SecureServer.open(options.tls) : null;
  const app = await buildApp({
    control,
    clock,
    log,
    sessions,
    streams,
    names: () => names,
    pageDir: pageIn(options.pageDir),
    secure,
    onBug: options.onBug,
  });
  const address = await listenOn(app, listen, options.socket ?? null);
  return {
    address,
    async reload(changed = {}) {
      const file = changed.tokenFile === undefined ? tokenFile : changed.tokenFile;
      const readFile = changed.readTokenFile === undefined ? readTokenFile : changed.readTokenFile;
      const putInForce = await readAgain(file, readFile);
      // Whether it speaks TLS at all takes a restart.
      const files = changed.tls ?? tls;
      const replacePair = secure && files ? await secure.read(files) : null;
      tls = files;
      replacePair?.();
      tokenFile = file;
      readTokenFile = readFile;
      if (changed.hosts) names = namesOf(listen.host, changed.hosts);
      putInForce();
    },
    async close() {
      streams.end();
      const late = setTimeout(() => app.server.closeAllConnections(), finishMs);
      await app.close();
      clearTimeout(late);
    },
  };
}

function pageIn(pageDir: string | null): string | null {
  return pageDir !== null && existsSync(join(pageDir, 'index.html')) ? pageDir : null;
}

async function listenOn(app: App, listen: Address, socket: object | null): Promise<Address> {
  try {
    await (socket === null
      ? app.listen({ host: listen.host, port: listen.port })
      : listenOnHeld(app, socket));
  } catch (cause) {
    await app.close();
    const where = formatAddress(listen);
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new Fault(
        'PORT_IN_USE',
        `admin.listen: ${portOwnerText(listen)} listens on ${where}. Stop it, or choose ` +
          'another port in the configuration.',
        { cause, address: where },
      );
    }
    throw new Fault(
      'CONFIG_INVALID',
      `admin.listen: cannot listen on ${where}: ${reasonOf(cause)}`,
      {
        cause,
        address: where,
      },
    );
  }
  const bound = app.server.address();
  const port = typeof bound === 'object' && bound ? bound.port : listen.port;
  return { host: listen.host, port };
}

/** fastify's own `listen` takes no descriptor. */
async function listenOnHeld(app: App, socket: object): Promise<void> {
  await app.ready();
  await new Promise<void>((resolve, reject) => {
    app.server.once('error', reject);
    app.server.listen(socket, resolve);
  });
}
