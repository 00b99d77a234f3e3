/**
 * All three roles in one process (`workers: 0`): for a laptop, the tests, a small box.
 *
 * The rule this file keeps: the same controller and the same data plane as with workers; only what
 * stands between them is a call in place of a message.
 */
import { systemClock } from './clock.ts';
import type { Config } from './config/config.ts';
import { Controller } from './control/controller.ts';
import { Fault } from './errors.ts';
import { type Birth, tellServing } from './handover/birth.ts';
import { onTrigger } from './handover/trigger.ts';
import { descriptorsMax, holdListeners } from './listener.ts';
import { openLog } from './log.ts';
import { LocalDataPlane } from './proxy/localDataPlane.ts';
import { Plane } from './proxy/plane.ts';
import { createEntrances } from './proxy/serving/entrances.ts';
import { Listener } from './proxy/serving/listener.ts';
import type { SupervisorOptions } from './supervisor/household.ts';

/**
 * Descriptors for files and operators, and the share of the others for clients: the rest goes to
 * targets.
 */
const descriptorsKept = 64;
const clientShare = 0.6;

/** One data plane in the process of its controller, so that no other controller can lead it. */
const why = 'With `workers: 0` one process does everything, and cannot be two for a while.';
const next = 'Set `workers` to 1 or more, or let systemd hold the sockets (docs/upgrade.md).';

/**
 * @param up is told where it listens, once it does.
 * @returns the exit code, when it was told to end.
 * @throws Fault of the start: config, state, ports; HANDOVER_REFUSED
 */
export async function runAlone(
  config: Config,
  configFile: string,
  birth: Birth,
  up: SupervisorOptions['up'],
): Promise<number> {
  if (birth.predecessor !== null) throw new Fault('HANDOVER_REFUSED', `${why} ${next}`);
  const log = openLog('pointsman');
  onTrigger(() => log.warn({}, `no hand-over: ${why} ${next}`));
  const plane = new Plane({ clock: systemClock, worker: 0, sink: log });
  const listener = new Listener(plane, createEntrances(plane), null);
  // Whoever cannot connect must not keep the operator out as well.
  listener.limit(Math.floor((descriptorsMax() - descriptorsKept) * clientShare));
  const { listen, tls, admin } = config;
  const all = await holdListeners([...listen, ...(tls?.listen ?? []), admin.listen], birth.given);
  const held = all.slice(0, -1);
  const controller = await Controller.start({
    config,
    configFile,
    plane: new LocalDataPlane(plane),
    clock: systemClock,
    log,
    adminSocket: all.at(-1)?.handle ?? null,
    handOver: () => {
      throw new Fault('HANDOVER_REFUSED', `${why} ${next}`);
    },
    onBug: (thrown) => {
      log.error({ stack: thrown instanceof Error ? thrown.stack : null }, `bug: ${thrown}`);
      void log.written().then(() => process.exit(1));
    },
  });
  // Not before it has a table and certificates: until then the kernel keeps whoever comes.
  for (const [at, one] of held.entries()) await listener.listen(one, at >= listen.length);
  const bound = held.map(({ address }) => address);
  up({
    plain: bound.slice(0, listen.length),
    secure: bound.slice(listen.length),
    admin: controller.adminAddress,
  });
  tellServing(birth, log, () => {});
  process.on('SIGHUP', () => {
    controller.reload().catch((thrown: unknown) => {
      if (!(thrown instanceof Fault)) throw thrown;
    });
  });
  const signal = await new Promise<string>((resolve) => {
    for (const one of ['SIGTERM', 'SIGINT'] as const) process.once(one, () => resolve(one));
  });
  const endNow = (): void => void log.written().then(() => process.exit(1));
  for (const one of ['SIGTERM', 'SIGINT'] as const) process.once(one, endNow);
  log.info({ signal, limitMs: config.shutdownMs }, 'stopping: what is in flight may end');
  controller.stopping();
  await listener.close(config.shutdownMs);
  await controller.close();
  await log.written();
  return 0;
}
