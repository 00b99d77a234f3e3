/**
 * Tests that have a Docker Engine.
 *
 * The rule this file keeps: where no engine can be had, they are skipped by name with the reason;
 * under CI=true or POINTSMAN_CI=1 that is a failure.
 */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { openTestEngine, type TestEngine, whyNoEngine } from './dockerd.ts';

export type { TestEngine };

/** Why no engine can be had here; null: it can. */
const engineMissing: string | null = whyNoEngine();

/**
 * A `describe` whose tests have an engine. It is started once for all of them.
 *
 * @param body is given what returns the engine, inside tests and hooks.
 */
export function describeWithEngine(name: string, body: (engine: () => TestEngine) => void): void {
  const must = process.env.POINTSMAN_CI === '1' || process.env.CI === 'true';
  if (engineMissing !== null && must) {
    test(`${name}: an engine can be had under CI`, () => {
      throw new Error(`no Docker Engine for the tests: ${engineMissing}`);
    });
    return;
  }
  const skipped = engineMissing === null ? '' : ` (skipped: ${engineMissing})`;
  // An engine shares the machine's two cores with whatever else runs.
  const options = { timeout: 300_000 };
  describe.skipIf(engineMissing !== null)(`${name}${skipped}`, options, () => {
    let engine: TestEngine | undefined;
    beforeAll(async () => {
      engine = await openTestEngine();
    });
    afterAll(async () => {
      await engine?.close();
    });
    body(() => {
      if (engine === undefined) throw new Error('the engine is there inside tests and hooks only');
      return engine;
    });
  });
}
