/** An owner of certificates for tests: on a state directory of its own, with all that it told. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { Acme, type AcmeSettings } from '../../../src/control/certificates/acme/acme.ts';
import type { ManagedStatus } from '../../../src/control/certificates/acme/managed.ts';
import type { Answer } from '../../../src/control/certificates/acme/order.ts';

export interface Owner {
  readonly acme: Acme;
  /** `issued` and `failed`, as they were told. */
  readonly told: readonly { readonly what: string; readonly status: ManagedStatus }[];
  /** Every set of answers that the workers were given. */
  readonly presented: readonly (readonly Answer[])[];
  readonly stateDir: string;
  /** Waits for the next thing that is told. */
  next(): Promise<{ readonly what: string; readonly status: ManagedStatus }>;
}

export const settings: AcmeSettings = {
  directory: 'https://authority.invalid/directory',
  email: 'ops@example.org',
  profile: null,
  keyType: 'p256',
  challenges: ['http-01', 'tls-alpn-01'],
  binding: null,
  roots: null,
};

export async function stateDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'acme-state-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export async function owner(more: {
  readonly settings: Partial<AcmeSettings>;
  readonly stateDir?: string;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly present?: (answers: readonly Answer[]) => Promise<void>;
}): Promise<Owner> {
  const told: { what: string; status: ManagedStatus }[] = [];
  const presented: (readonly Answer[])[] = [];
  const waiting: (() => void)[] = [];
  let read = 0;
  const stateDir = more.stateDir ?? (await stateDirectory());
  const acme = new Acme({
    settings: { ...settings, ...more.settings },
    stateDir,
    version: 'test',
    clock: more.clock ?? systemClock,
    random: more.random ?? (() => 0.5),
    log: { info() {}, warn() {}, error() {} },
    changed: () => {},
    present: async (answers) => {
      presented.push(answers);
      await more.present?.(answers);
    },
    tell: (what, status) => {
      told.push({ what, status });
      for (const wake of waiting.splice(0)) wake();
    },
    onBug: (thrown) => {
      throw thrown;
    },
  });
  onTestFinished(() => acme.close());
  return {
    acme,
    told,
    presented,
    stateDir,
    async next() {
      while (told.length <= read) await new Promise<void>((resolve) => waiting.push(resolve));
      const one = told[read++];
      if (one === undefined) throw new Error('nothing was told');
      return one;
    },
  };
}
