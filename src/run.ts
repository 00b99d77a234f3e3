/**
 * `pointsman run`: one process or many, as the config says.
 *
 * The rule this file keeps: what the config or the port refuses is refused here, before anything
 * starts.
 */
import { realpathSync, writeSync } from 'node:fs';
import { formatAddress } from './config/address.ts';
import { inForceOf } from './config/change.ts';
import type { Address, Config } from './config/config.ts';
import { loadConfig } from './config/load.ts';
import { preflight } from './control/preflight.ts';
import { Fault, reasonOf } from './errors.ts';
import { type Birth, birthOf } from './handover/birth.ts';
import { refuse } from './handover/predecessor.ts';
import { endOfLifeText } from './nodeSupport.ts';

/**
 * @param version of this Pointsman.
 * @returns the exit code, when all has ended.
 * @throws Fault CONFIG_INVALID, CONFIG_UNREADABLE, PORT_IN_USE, HANDOVER_REFUSED
 */
export async function run(configFile: string, version: string): Promise<number> {
  try {
    return await runAs(birthOf(process.env, process.pid), configFile, version);
  } catch (thrown) {
    if (thrown instanceof Fault) await refuse(reasonOf(thrown));
    throw thrown;
  }
}

async function runAs(birth: Birth, configFile: string, version: string): Promise<number> {
  const file = await loadConfig(configFile);
  const config = { ...file, stateDir: birth.stateDir ?? file.stateDir };
  await preflight(config);
  const up = (listening: Listening): void => {
    const old = endOfLifeText(process.versions.node, new Date());
    if (old !== null) say(old);
    say(upText(config, listening));
  };
  if (config.workers === 0) {
    const { runAlone } = await import('./alone.ts');
    return runAlone(config, configFile, birth, up);
  }
  const { supervise } = await import('./supervisor/supervisor.ts');
  return supervise({
    // A link that leads to another version by now: our children are of ours, a successor of that.
    entry: realpathSync(process.argv[1] ?? ''),
    successor: process.argv[1] ?? '',
    configFile,
    inForce: inForceOf(config),
    listen: config.listen,
    tlsListen: config.tls?.listen ?? [],
    admin: config.admin.listen,
    workers: config.workers,
    shutdownMs: config.shutdownMs,
    handoverMs: config.handoverMs,
    version,
    birth,
    up,
  });
}

/** Where it listens, with the ports that the system gave out. */
export interface Listening {
  readonly plain: readonly Address[];
  readonly secure: readonly Address[];
  readonly admin: Address;
}

/** One line that says where everything is. */
export function upText(config: Config, { plain, secure, admin }: Listening): string {
  const clients = [
    ...plain.map((address) => `http://${formatAddress(address)}`),
    ...secure.map((address) => `https://${formatAddress(address)}`),
  ];
  const page = `${config.admin.tls === null ? 'http' : 'https'}://${formatAddress(admin)}/`;
  const { workers, services } = config;
  const processes = workers === 0 ? 'one process' : counted(workers, 'worker');
  return (
    `Pointsman is up: clients at ${clients.join(', ')}; page at ${page}; ${processes}; ` +
    counted(services.length, 'service')
  );
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** On stderr, since stdout is the log's. That nobody reads it is no reason to end. */
function say(line: string): void {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Closed, or full: the log and the page say the same.
  }
}
