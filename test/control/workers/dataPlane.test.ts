/**
 * The data plane of one process, and the model that the simulation runs on, against one contract.
 */
import { dataPlaneContract } from '../../contracts/dataplane.ts';
import { localHarness, modelHarness } from '../../support/planes.ts';

dataPlaneContract('the model', modelHarness, 'many');
dataPlaneContract('one process', localHarness, 'one');
