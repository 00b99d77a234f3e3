/**
 * What every lane must do, with real sockets. A lane is done when `laneSuite('mine', makeMine)` passes.
 *
 * The rule this file keeps: no test knows which lane it runs against.
 */
import type { MakeLane } from '../../support/proxy.ts';
import { plainSuite } from './plain.ts';

export function laneSuite(name: string, makeLane: MakeLane): void {
  plainSuite(name, makeLane);
}
