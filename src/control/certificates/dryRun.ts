/**
 * What an authority would say to a configuration, without asking it for anything.
 *
 * The rule this file keeps: nothing is made and nothing counts against a limit: no account, no
 * order; its directory is read, and names are looked up.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../config/config.ts';
import { namesOf } from '../../config/preview.ts';
import { Fault } from '../../errors.ts';
import { vet } from './acme/authority.ts';
import { AcmeClient } from './acme/protocol/client.ts';
import { accountKey, newAccountKey } from './acme/protocol/jws.ts';
import { openTransport } from './acme/protocol/transport.ts';
import { settingsOf } from './acme.ts';

export interface DryRun {
  /** What is as it should be, a line each. */
  readonly good: readonly string[];
  /** What is doubtful: another machine may know better. */
  readonly doubts: readonly string[];
}

/**
 * @throws Fault CONFIG_INVALID where no service asks an authority; AUTHORITY_UNREACHABLE,
 *   AUTHORITY_MALFORMED, AUTHORITY_REFUSED, CERTIFICATE_INVALID.
 */
export async function dryRun(config: Config, clock: Clock, version: string): Promise<DryRun> {
  const asking = config.services.filter(({ tls }) => tls.mode === 'auto');
  const acme = config.tls?.acme ?? null;
  if (acme === null || asking.length === 0) {
    throw new Fault('CONFIG_INVALID', 'No service has `tls: auto`: no authority would be asked.');
  }
  const settings = await settingsOf(acme);
  const transport = openTransport(clock, version, settings.roots);
  try {
    const key = accountKey(newAccountKey());
    const client = new AcmeClient(transport, clock, settings.directory, key, null);
    await vet(client, settings);
    const { terms, renewalInfo } = await client.directory();
    const renews = renewalInfo === null ? 'two thirds of the lifetime' : 'its own windows';
    const said = terms === null ? '' : `; its terms: ${terms}`;
    const good = [`${new URL(settings.directory).host} answers, and renews by ${renews}${said}`];
    const names = asking.flatMap((one) =>
      namesOf(one).filter((host) => !host.startsWith('*.') && isIP(host) === 0),
    );
    const looked = await Promise.all(names.map(lookedUp));
    const doubts = looked.flatMap(({ doubt }) => doubt ?? []);
    return { good: [...good, ...looked.flatMap(({ found }) => found ?? [])], doubts };
  } finally {
    transport.close();
  }
}

/** A name that nobody knows here may be known outside. */
async function lookedUp(name: string): Promise<{ found?: string; doubt?: string }> {
  try {
    const all = await lookup(name, { all: true });
    const addresses = all.map(({ address }) => address).join(', ');
    return { found: `${name} is at ${addresses}: the authority comes to port 80 or 443 there` };
  } catch {
    return { doubt: `${name} is at no address, as far as this machine knows` };
  }
}
