/**
 * Data planes for the contract: the model, the real one in this process, and the real barrier over
 * many of the real ones, with messages in place of processes.
 *
 * The rule this file keeps: a worker here is a real `Plane` behind an inbox, so that what differs
 * from production is how an order travels and nothing else.
 */
import type { DataPlane } from '../../src/control/workers/dataPlane.ts';
import { Workers } from '../../src/control/workers/workerProcesses.ts';
import type { FromController } from '../../src/ipc.ts';
import { LocalDataPlane } from '../../src/proxy/localDataPlane.ts';
import { Plane } from '../../src/proxy/plane.ts';
import type { Order } from '../../src/wire.ts';
import type { DataPlaneHarness, Sent } from '../contracts/dataplane.ts';
import { type FakeClock, fakeClock, settled } from './clock.ts';
import { FakeCluster } from './fakeDataPlane.ts';

const targets = async (release: string) => {
  return [{ id: `${release}-1`, host: '127.0.0.1', port: 1, healthy: true }];
};

/** The model of the simulation. */
export async function modelHarness(): Promise<DataPlaneHarness> {
  const clock = fakeClock();
  const served: { readonly worker: number; readonly release: string }[] = [];
  const sends = new Map<number, number>();
  const cluster = new FakeCluster({
    clock,
    workers: 3,
    claimed: ({ worker, release }) => served.push({ worker, release }),
  });
  let plane = cluster.connect();
  return {
    plane: () => plane,
    workers: [1, 2, 3],
    targets,
    send: async (slot) => {
      const worker = cluster.worker(slot);
      const colors = () => worker.services.get('shop');
      const at = (sends.get(slot) ?? 0) + served.filter((one) => one.worker === slot).length;
      worker.request('shop');
      const now = () => served.filter((one) => one.worker === slot)[at]?.release ?? null;
      return {
        served: now,
        finish: async () => {
          for (const color of ['blue', 'green'] as const) {
            const pool = colors()?.pools[color];
            if (pool?.entry.release === now()) worker.finish('shop', color, 'http', 'finished');
          }
        },
      };
    },
    settle: settled,
    pass: (ms) => clock.passAsync(ms),
    faults: {
      kill: async (slot) => cluster.kill(slot),
      start: async (slot) => {
        cluster.start(slot);
        await settled();
      },
      listens: async (slot) => cluster.worker(slot).version > 0,
      hang: async (slot) => cluster.hang(slot),
      wake: async (slot) => cluster.wake(slot),
      restartController: async () => {
        plane = cluster.connect();
        await plane.stats();
      },
    },
    close: async () => {},
  };
}

/** `workers: 0`. */
export async function localHarness(): Promise<DataPlaneHarness> {
  const clock = fakeClock();
  const worker = realPlane(clock, 0);
  const plane = new LocalDataPlane(worker);
  return {
    plane: () => plane,
    workers: [0],
    targets,
    send: async () => sendTo(worker),
    settle: settled,
    pass: (ms) => clock.passAsync(ms),
    faults: null,
    close: async () => {},
  };
}

interface Slot {
  readonly pid: number;
  readonly plane: Plane;
  readonly inbox: Order[];
  hung: boolean;
}

/** The real barrier and real planes; the supervisor and its processes are played. */
export async function workersHarness(): Promise<DataPlaneHarness> {
  const clock = fakeClock();
  const slots = new Map<number, Slot>();
  let pids = 100;
  let life = 0;
  const open = (slot: number): Slot => {
    const made = { pid: pids++, plane: realPlane(clock, slot), inbox: [], hung: false };
    slots.set(slot, made);
    return made;
  };
  for (const slot of [1, 2, 3]) open(slot);

  const obey = (slot: number, worker: Slot): void => {
    while (!worker.hung && slots.get(slot) === worker) {
      const order = worker.inbox.shift();
      if (order === undefined) return;
      const reply = worker.plane.obey(order);
      queueMicrotask(() => plane.replied(slot, reply));
    }
  };
  const kill = (slot: number, why: string): void => {
    const worker = slots.get(slot);
    slots.delete(slot);
    if (worker !== undefined) plane.down({ worker: slot, pid: worker.pid }, why);
  };
  const connect = (): Workers => {
    life++;
    const mine = life;
    const infos = [...slots].map(([worker, { pid }]) => ({ worker, pid }));
    const send = (message: FromController): void => {
      if (mine !== life) return;
      if (message.kind === 'end') queueMicrotask(() => kill(message.worker, message.why));
      if (message.kind !== 'order') return;
      for (const slot of message.workers) {
        const worker = slots.get(slot);
        if (worker === undefined) continue;
        worker.inbox.push(message.order);
        queueMicrotask(() => obey(slot, worker));
      }
    };
    return new Workers(send, clock, { up() {}, down() {} }, infos, mine * 1_000_000);
  };
  let plane = connect();
  const at = (slot: number): Slot => {
    const worker = slots.get(slot);
    if (worker === undefined) throw new Error(`worker ${slot} does not run`);
    return worker;
  };
  return {
    plane: (): DataPlane => plane,
    workers: [1, 2, 3],
    targets,
    send: async (slot) => sendTo(at(slot).plane),
    settle: settled,
    pass: (ms) => clock.passAsync(ms),
    faults: {
      kill: async (slot) => kill(slot, 'signal SIGKILL'),
      start: async (slot) => {
        plane.up({ worker: slot, pid: open(slot).pid });
        await settled();
      },
      listens: async (slot) => at(slot).plane.version > 0,
      hang: async (slot) => {
        at(slot).hung = true;
      },
      wake: async (slot) => {
        at(slot).hung = false;
        obey(slot, at(slot));
      },
      restartController: async () => {
        plane = connect();
        await plane.stats();
      },
    },
    close: async () => {},
  };
}

function realPlane(clock: FakeClock, worker: number): Plane {
  return new Plane({ clock, worker, sink: { line: () => {}, dropped: 0 } });
}

function sendTo(plane: Plane): Sent {
  const service = plane.service('shop');
  if (service === undefined) throw new Error('the worker does not know the service');
  let lease = service.claim();
  if (lease === null) {
    service.wait((got) => {
      if (got instanceof Error) throw got;
      lease = got;
    });
  }
  return {
    served: () => lease?.pool.release ?? null,
    finish: async () => lease?.release('finished'),
  };
}
