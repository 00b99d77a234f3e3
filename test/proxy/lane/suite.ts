/**
 * What every lane must do, with real sockets. A lane is done when `laneSuite('mine', makeMine)`
 * passes.
 *
 * The rule this file keeps: no test knows which lane it runs against.
 */
import type { MakeLane } from '../../support/proxy.ts';
import { clientSuite } from './clients.ts';
import { closeSuite } from './closes.ts';
import { edgeSuite } from './edges.ts';
import { extremeSuite } from './extremes.ts';
import { failureSuite } from './failures.ts';
import { flipSuite } from './flips.ts';
import { loopSuite } from './loops.ts';
import { nameSuite } from './names.ts';
import { outcomeSuite } from './outcomes.ts';
import { plainSuite } from './plain.ts';
import { previewSuite } from './previews.ts';
import { reachedSuite } from './reached.ts';
import { refusalSuite } from './refusals.ts';
import { slowSuite } from './slow.ts';
import { stickySuite } from './sticky.ts';
import { tunnelSuite } from './tunnels.ts';

export function laneSuite(name: string, makeLane: MakeLane): void {
  plainSuite(name, makeLane);
  refusalSuite(name, makeLane);
  edgeSuite(name, makeLane);
  loopSuite(name, makeLane);
  failureSuite(name, makeLane);
  clientSuite(name, makeLane);
  slowSuite(name, makeLane);
  closeSuite(name, makeLane);
  stickySuite(name, makeLane);
  tunnelSuite(name, makeLane);
  flipSuite(name, makeLane);
  extremeSuite(name, makeLane);
  nameSuite(name, makeLane);
  reachedSuite(name, makeLane);
  outcomeSuite(name, makeLane);
  previewSuite(name, makeLane);
}
