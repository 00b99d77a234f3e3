/**
 * `pointsman check`: reads a configuration as `run` would, and starts nothing.
 *
 * The rule this file keeps: what `run` would refuse is refused here, where that can be seen without
 * taking anything: the file with all its mistakes at once, the files that it names, and addresses
 * that another program has. Those of a Pointsman that runs are taken by whoever is asking.
 */
import { formatAddress } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { preflight } from '../control/preflight.ts';
import { Fault } from '../errors.ts';
import { portOwner } from '../portOwner.ts';
import { exits } from './exits.ts';
import type { Io } from './io.ts';
import { plural } from './text.ts';

export interface CheckOptions {
  readonly json?: boolean;
  /** Also reads the directory of the authority, and looks its names up. */
  readonly acme?: boolean;
}

/**
 * @returns 0. @throws Fault CONFIG_INVALID with one mistake a line, CONFIG_UNREADABLE, PORT_IN_USE.
 */
export async function check(
  io: Io,
  path: string,
  { json = false, acme = false }: CheckOptions,
): Promise<number> {
  const config = await loadConfig(path);
  const note = (message: string): void => io.stderr.write(`note: ${message}\n`);
  await preflight(config, note);
  lookAtPorts(config, note);
  if (acme) {
    // Loaded where it is wanted: what makes certificates takes a while to read.
    const { dryRun } = await import('../control/certificates/dryRun.ts');
    const { good, doubts } = await dryRun(config, io.clock, io.version);
    for (const line of good) io.stderr.write(`acme: ${line}\n`);
    for (const line of doubts) note(line);
  }
  const names = config.services.map(({ name }) => name);
  const text = `${path} is right: ${plural(names.length, 'service')} (${names.join(', ')})`;
  io.stdout.write(json ? `${JSON.stringify({ ok: true, services: names })}\n` : `${text}\n`);
  return exits.ok;
}

const pointsman = /\b(pointsman|main\.js) run\b/;

function lookAtPorts({ listen, tls, admin }: Config, note: (message: string) => void): void {
  for (const address of [...listen, ...(tls?.listen ?? []), admin.listen]) {
    const owner = portOwner(address);
    if (owner === 'free') continue;
    const where = formatAddress(address);
    if (owner === null) note(`a process that cannot be seen from here listens on ${where}`);
    else if (!pointsman.test(owner.command)) {
      const who = `process ${owner.pid} (${owner.command})`;
      throw new Fault('PORT_IN_USE', `Cannot listen on ${where}: ${who} listens on it.`);
    }
  }
}
