/**
 * A flip of one service, as its record has it: the barrier over the workers, from the intent on
 * record to the receipt.
 *
 * The rule this file keeps: the table shows where the flip leads from the turn of its first order,
 * and goes on doing so until it is undone, or whoever asked has put it on record. A worker that was
 * too busy to hold is asked again, with more time; between two attempts nobody is held, and each is
 * a whole barrier, so the contract holds for the one that commits.
 */
import { Fault } from '../../errors.ts';
import type { Deployment, Receipt } from '../model/state.ts';
import type { ControlContext } from './context.ts';
import { type Flipped, flipOver, holdsMs, receiptOf } from './flip.ts';
import type { ServiceRecord } from './record.ts';

/**
 * @param refusal asked before another attempt, and in the turn of the commit: why the new pool may
 *   not have the traffic.
 * @throws Fault HOLD_TIMEOUT after the last attempt, or what `refusal` said; then nothing has
 *   moved.
 */
export async function switchOver(
  record: ServiceRecord,
  context: ControlContext,
  refusal: (deployment: Deployment) => Fault | null,
): Promise<Receipt> {
  const { intent, deployment } = record.state;
  if (intent === null || deployment === null) throw new Error('A flip has no intent on record.');
  const { dependencies, publisher, flips } = context;
  const { from, to, direction } = deployment;
  const proved = direction === 'deploy' ? (record.state.candidate ?? null) : null;
  const attempt = (holdMs: number): Promise<Flipped> => {
    const flip = {
      fence: { service: record.name, generation: intent.generation },
      holdMs,
      begun: () => record.overrideTable({ ...intent, promotes: proved !== null }),
      undone: () => record.overrideTable(null),
      refusal: () => refusal(deployment),
    };
    // Who goes back is in need: all others wait.
    const urgent = direction === 'rollback';
    return flips.pass(() => flipOver({ ...dependencies, publisher }, flip), urgent);
  };
  for (const [at, holdMs] of holdsMs.entries()) {
    const attempts = at + 1;
    const lost = at === 0 ? null : refusal(deployment);
    if (lost !== null) throw lost;
    try {
      const flipped = { ...(await attempt(holdMs)), attempts };
      return receiptOf(record.name, intent.generation, direction, from, to, flipped);
    } catch (thrown) {
      if (!(thrown instanceof Fault) || thrown.code !== 'HOLD_TIMEOUT') throw thrown;
      if (attempts === holdsMs.length) throw givenUp(thrown, attempts);
      record.progress(deployment.id, `Tried again, with more time: ${thrown.message}`);
    }
  }
  throw new Error('A flip was neither done nor undone.');
}

/** A flip is on record: the table shows it from there, and everybody is told. */
export function tellFlip(
  record: ServiceRecord,
  { publisher, dependencies }: ControlContext,
  receipt: Receipt,
): void {
  record.overrideTable(null);
  publisher.touch();
  record.tell();
  const { service, direction } = receipt;
  dependencies.events.emit({ type: 'flip', service, direction, receipt });
}

function givenUp(cause: Fault, attempts: number): Fault {
  const text = `${cause.message} The flip was tried ${attempts} times, and undone.`;
  return new Fault(cause.code, text, { ...cause.detail, attempts, cause });
}
