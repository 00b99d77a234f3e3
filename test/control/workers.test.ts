/**
 * The barrier over many workers against the contract; the workers are real, their processes are
 * played.
 */
import { dataPlaneContract } from '../contracts/dataplane.ts';
import { workersHarness } from '../support/planes.ts';

dataPlaneContract('the barrier over workers', workersHarness, 'many');
