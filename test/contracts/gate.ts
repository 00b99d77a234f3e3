/**
 * What every gate must do. A new kind is done when `gateContract('mine', makeMine)` passes.
 *
 * The rule this file keeps: a gate is watched from outside: what it says, when it ends, and what is
 * left of it then.
 */
import { describe, expect, test } from 'vitest';
import type { Gate, Subject } from '../../src/control/gates/gate.ts';

export interface GateUnderTest {
  readonly gate: Gate;
  readonly subject: Subject;
  /** Resolves when it has begun to do something. */
  readonly begun: Promise<unknown>;
  /** Whether anything of it is still under way: connections, processes. */
  running(): Promise<boolean>;
}

/** What the world does to it. */
export type Fate = 'good' | 'bad' | 'silent';

/** @param make one whose limit is `limitMs`. */
export function gateContract(
  name: string,
  make: (fate: Fate, limitMs: number) => Promise<GateUnderTest>,
): void {
  describe(`the gate contract, kept by ${name}`, () => {
    const never = new AbortController().signal;

    test('what is as wanted has passed, and it says in a sentence what it came to', async () => {
      const { gate, subject, running } = await make('good', 30_000);

      const verdict = await gate.check(subject, never, () => {});

      expect(verdict).toEqual({ passed: true, result: expect.stringMatching(/^.{5,}[^.]$/) });
      expect(gate.name).not.toBe('');
      expect(await running()).toBe(false);
    });

    test('what is not has not, and the sentence says why', async () => {
      const { gate, subject, running } = await make('bad', 30_000);

      const verdict = await gate.check(subject, never, () => {});

      expect(verdict).toEqual({ passed: false, result: expect.stringMatching(/^.{5,}[^.]$/) });
      expect(await running()).toBe(false);
    });

    test('its limit is a failure, and leaves nothing running', async () => {
      const { gate, subject, running } = await make('silent', 50);

      const verdict = await gate.check(subject, never, () => {});

      expect(verdict).toMatchObject({ passed: false });
      expect(await running()).toBe(false);
    });

    test('one that is given up in the middle ends, has not passed, and leaves nothing running', async () => {
      const { gate, subject, begun, running } = await make('silent', 600_000);
      const ender = new AbortController();
      const check = gate.check(subject, ender.signal, () => {});
      await begun;

      ender.abort();

      expect(await check).toMatchObject({ passed: false });
      expect(await running()).toBe(false);
    });

    test('one that was given up before it began does nothing', async () => {
      const { gate, subject, running } = await make('silent', 600_000);

      const verdict = await gate.check(subject, AbortSignal.abort(), () => {});

      expect(verdict).toMatchObject({ passed: false });
      expect(await running()).toBe(false);
    });
  });
}
