/**
 * How a target is reached: by its own address in a network that Pointsman shares, or through a port
 * that the engine publishes for it.
 *
 * The rule this file keeps: an address is read from the engine each time a container has started,
 * and one that is down has none. Addresses and published ports are given out again, so the last one
 * a container had may be another app's by now.
 */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { Fault } from '../../../../errors.ts';
import type { Engine } from '../engine/engine.ts';
import { inspect } from './containers.ts';
import type { ContainerFacts } from './facts.ts';

/** The address of what has none: port 0 keeps it out of every table. */
export const nowhere = { host: '127.0.0.1', port: 0 } as const;

/** Where Pointsman itself is, seen from the engine. */
export interface Here {
  /**
   * The container it runs in, if it is one of this engine's; null: it is not, or shares the host's
   * network.
   */
  readonly container: { readonly name: string; readonly networks: ReadonlySet<string> } | null;
  /**
   * The address on which ports are published so that Pointsman reaches them, and nobody else needs
   * to.
   */
  readonly publishOn: string;
}

/**
 * Asks once per connection: neither moves while Pointsman runs, except by being connected to a
 * network.
 */
export async function whereAmI(engine: Engine): Promise<Here> {
  const publishOn = engine.remoteHost === null ? '127.0.0.1' : await resolved(engine.remoteHost);
  for (const id of await ownContainerIds()) {
    const facts = await inspect(engine, id);
    if (facts === null || facts.hostNetwork) continue;
    const networks = new Set(facts.networks.flatMap((one) => [one.name, one.id]));
    return { container: { name: facts.name, networks }, publishOn };
  }
  return { container: null, publishOn };
}

/**
 * @returns the address to publish the port on; null: it will be reached by its own address.
 * @throws Fault RELEASE_INVALID where Pointsman runs in a container that shares no network with it.
 */
export function publishingFor(here: Here, service: string, network: string | null): string | null {
  if (here.container === null) return here.publishOn;
  const wanted = network ?? 'bridge';
  if (here.container.networks.has(wanted)) return null;
  const has = [...here.container.networks].filter((one) => !/^[0-9a-f]{64}$/.test(one)).join(', ');
  throw new Fault(
    'RELEASE_INVALID',
    `${service} runs in the network "${wanted}", and Pointsman's own container ` +
      `${here.container.name} is only in: ${has || 'none'}. Set run.docker.network to one they share, or ` +
      `run \`docker network connect ${wanted} ${here.container.name}\`.`,
    { service, network: wanted },
  );
}

export interface TargetAddress {
  readonly host: string;
  readonly port: number;
  /** For people. */
  readonly how: string;
}

/** @returns null where the container runs and there is still no way to it. */
export function addressOf(here: Here, facts: ContainerFacts, port: number): TargetAddress | null {
  if (facts.hostNetwork) return { host: '127.0.0.1', port, how: `host network, port ${port}` };
  const shared = facts.networks.find(
    (one) => here.container?.networks.has(one.name) && one.address !== '',
  );
  if (shared !== undefined) {
    return { host: shared.address, port, how: `${shared.address} in network ${shared.name}` };
  }
  if (here.container !== null) return null;
  const published = facts.published.find((one) => one.port === port && one.hostPort > 0);
  if (published === undefined) return null;
  const wide = ['', '0.0.0.0', '::'].includes(published.hostAddress);
  const host = wide ? here.publishOn : published.hostAddress;
  return { host, port: published.hostPort, how: `published on ${host}:${published.hostPort}` };
}

/**
 * What may be the id of the container this process runs in, best guess first. The mounts of
 * /etc/hostname and its like name it on every engine; cgroups did until version 2; the host name
 * does unless it was set.
 */
async function ownContainerIds(): Promise<readonly string[]> {
  const ids: string[] = [];
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  const groups = await readFile('/proc/self/cgroup', 'utf8').catch(() => '');
  const mount = /\/([0-9a-f]{64})\/(?:userdata\/)?(?:hostname|resolv\.conf|hosts) \/etc\//.exec(
    mounts,
  );
  if (mount?.[1] !== undefined) ids.push(mount[1]);
  const group = /(?:docker|libpod|crio)[-/]([0-9a-f]{64})/.exec(groups);
  if (group?.[1] !== undefined) ids.push(group[1]);
  if (/^[0-9a-f]{12}$/.test(hostname())) ids.push(hostname());
  return [...new Set(ids)];
}

async function resolved(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch {
    // The engine was reached by this name through ssh's own config; a port on all addresses then.
    return '0.0.0.0';
  }
}
