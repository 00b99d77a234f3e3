/**
 * What an operator asks of the services: a call that names one becomes a call of its deployer.
 *
 * The rule this file keeps: it is the one step between a route and a deployer, and decides nothing.
 */
import { Fault } from '../errors.ts';
import type { Control } from './model/api.ts';
import type { Deployment } from './model/state.ts';
import type { Services } from './services.ts';

export type Operations = Omit<
  Control,
  'certificates' | 'reload' | 'upgrade' | 'handover' | 'health' | 'metrics' | 'events' | 'samples'
>;

/** @param services throws where there are none yet. */
export function operationsOn(services: () => Services): Operations {
  const running = (id: string) =>
    services()
      .all()
      .find(({ state }) => state.deployment?.id === id);
  const deployment = async (id: string): Promise<Deployment> =>
    running(id)?.state.deployment ?? services().journal.find(id);
  return {
    services: () =>
      services()
        .all()
        .map((deployer) => deployer.status()),
    service: (name) => services().deployer(name).status(),
    deploy: async (name, order, call) => services().deployer(name).deploy(order, call),
    flip: async (name, call) => services().deployer(name).flip(call),
    rollback: async (name, to, call, unsafe) =>
      services().deployer(name).rollback(to, call, unsafe),
    acknowledge: async (name, call) => services().deployer(name).acknowledge(call),
    confirm: async (name, withinMs, call) => services().deployer(name).confirm(withinMs, call),
    abort: async (id, call) => {
      const deployer = running(id);
      if (deployer !== undefined) return deployer.abort(id, call);
      const { phase } = await deployment(id);
      throw new Fault('ABORT_TOO_LATE', `Deployment ${id} has ended (${phase}).`, { id });
    },
    retire: async (name, call) => services().deployer(name).retire(call),
    wake: async (name, call) => services().deployer(name).wake(call),
    pause: async (name, page, call) =>
      services()
        .deployer(name)
        .setTraffic(page ? 'turnedAway' : 'waits', call),
    resume: async (name, call) => services().deployer(name).setTraffic('flows', call),
    deployments: async (query) => {
      const current = services()
        .all()
        .filter(({ name }) => query.service === undefined || name === query.service)
        .flatMap(({ state }) => state.deployment ?? []);
      return services().journal.read(query, current);
    },
    deployment,
  };
}
