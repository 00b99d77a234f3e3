/**
 * How this process came to be, read from its environment: started by somebody, or by the Pointsman
 * that it is the successor of.
 *
 * The rule this file keeps: what was said to this process alone is taken out of the environment
 * before it starts anything itself.
 */
import { Fault } from '../errors.ts';
import type { GivenListener } from '../listener.ts';
import type { Log } from '../log.ts';
import { activatedSockets } from '../socketActivation.ts';
import { FrontLine } from './front.ts';
import { Predecessor } from './predecessor.ts';
import { inheritanceOf, inheritedFd, protocol } from './protocol.ts';
import { ServiceManager } from './serviceManager.ts';

export interface Birth {
  /** Sockets that are bound already. */
  readonly given: readonly GivenListener[];
  /** null: it begins by itself. */
  readonly predecessor: Predecessor | null;
  /** Of a successor: the folder of the state that it takes over; null: as the config says. */
  readonly stateDir: string | null;
  /** null: nobody wants to be told. */
  readonly manager: ServiceManager | null;
  /** Whether the process that somebody waits for stays in front of this one. */
  readonly behindFront: boolean;
}

/** @throws Fault HANDOVER_REFUSED where the old one is too different. */
export function birthOf(env: NodeJS.ProcessEnv, pid: number): Birth {
  const manager = ServiceManager.from(env);
  const inheritance = inheritanceOf(env);
  if (inheritance === null) {
    const given = activatedSockets(env, pid);
    return { given, predecessor: null, stateDir: null, manager, behindFront: false };
  }
  if (inheritance.protocol !== protocol) {
    throw new Fault(
      'HANDOVER_REFUSED',
      `This Pointsman does not understand the one that runs (protocol ${protocol} and ` +
        `${inheritance.protocol}). Stop that one, and start this one.`,
    );
  }
  return {
    given: inheritance.sockets.map((wanted, at) => ({ fd: inheritedFd.sockets + at, wanted })),
    predecessor: new Predecessor(inheritance),
    stateDir: inheritance.stateDir,
    manager,
    behindFront: inheritance.front,
  };
}

/** Tells whoever waits for this process that it serves. @param cut nobody waits any more. */
export function tellServing({ manager, behindFront }: Birth, log: Log, cut: () => void): Announced {
  manager?.ready(log);
  if (!behindFront) return { ended: () => {} };
  const line = new FrontLine(cut);
  line.say({ serves: process.pid });
  return { ended: (code) => line.say({ code }) };
}

export interface Announced {
  /** @param code what this process ends with. */
  ended(code: number): void;
}
