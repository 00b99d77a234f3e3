/**
 * The gates that the config names: requests to targets, commands, calls, a warm-up.
 *
 * The rule this file keeps: it only puts together; each kind is a file of its own.
 */
import type { Hook } from '../../config/hook.ts';
import { callGate } from './callGate.ts';
import { Commands, type CommandsOptions } from './commands.ts';
import type { Gate, Gates } from './gate.ts';
import { httpGate } from './httpGate.ts';
import { warmUpGate } from './warmUpGate.ts';

export interface HookGatesOptions extends CommandsOptions {
  /** By which a request of ours is known that comes back to ourselves. */
  readonly via: string;
}

export function hookGates(options: HookGatesOptions): Gates {
  const { clock, via } = options;
  const commands = new Commands(options);
  const gateOf = (hook: Hook): Gate => {
    if (hook.kind === 'http') return httpGate(hook, clock, via);
    if (hook.kind === 'warmUp') return warmUpGate(hook, clock, via);
    return hook.kind === 'command' ? commands.gate(hook) : callGate(hook, clock);
  };
  return {
    of: (hooks) => hooks.map(gateOf),
    sweep: (deployment) => commands.sweep(deployment),
    close: () => commands.close(),
  };
}
