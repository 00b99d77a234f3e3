/**
 * A flip of one service, as its record has it: the barrier over the workers, from the intent on
 * record to the receipt.
 *
 * The rule this file keeps: the table shows where the flip leads from the turn of its first order,
 * and goes on doing so until it is undone, or whoever asked has put it on record.
 */
import type { Fault } from '../../errors.ts';
import type { Deployment, Receipt } from '../model/state.ts';
import type { ControlContext } from './context.ts';
import { flipOver, receiptOf } from './flip.ts';
import type { ServiceRecord } from './record.ts';

/**
 * @param refusal asked in the turn of the commit: why the new pool may not have the traffic.
 * @throws Fault HOLD_TIMEOUT, or what `refusal` said; then nothing has moved.
 */
export async function switchOver(
  record: ServiceRecord,
  context: ControlContext,
  refusal: (deployment: Deployment) => Fault | null,
): Promise<Receipt> {
  const { intent, deployment } = record.state;
  if (intent === null || deployment === null) throw new Error('A flip has no intent on record.');
  const { dependencies, publisher, flips } = context;
  const flip = {
    fence: { service: record.name, generation: intent.generation },
    begun: () => record.overrideTable(intent),
    undone: () => record.overrideTable(null),
    refusal: () => refusal(deployment),
  };
  const flipped = await flips.pass(() => flipOver({ ...dependencies, publisher }, flip));
  const { from, to, direction } = deployment;
  return receiptOf(record.name, intent.generation, direction, from, to, flipped);
}
