/**
 * From what a person asks for to a release: a name, and all that running it takes, fixed once.
 *
 * The rule this file keeps: a name means one thing. A release that was live under it is what it
 * stays, digest included; asking for something else under the same name is refused, not obeyed.
 */
import { formatTarget, parseTarget } from '../../config/address.ts';
import type { Run, TargetAddress } from '../../config/config.ts';
import { Fault } from '../../errors.ts';
import { otherColor } from '../../wire.ts';
import type { DeployOrder } from '../model/api.ts';
import type { Release, ReleaseRun, ServiceState } from '../model/state.ts';
import { wasLive } from './candidate.ts';
import { livePool, standbyPool } from './deployment.ts';

/** More targets than this in one pool is a mistake in a script, not a service. */
const targetsMax = 1000;

/**
 * @returns the release that the order means, pinned as it was if it was live before.
 * @throws Fault RELEASE_INVALID, TARGET_INVALID, RELEASE_TAKEN, RELEASE_LIVE, RELEASE_WARM.
 */
export function releaseOf(
  service: string,
  run: Run,
  state: ServiceState,
  order: Pick<DeployOrder, 'release' | 'image' | 'targets' | 'again'>,
): Release {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(order.release)) {
    throw new Fault(
      'RELEASE_INVALID',
      'A release name is 1 to 128 characters of A-Z a-z 0-9 . _ -, beginning with a letter or ' +
        `digit; got ${JSON.stringify(order.release.slice(0, 200))}.`,
      { service },
    );
  }
  const known = state.releases.find((one) => one.name === order.release);
  const release = order.again
    ? asItRan(service, run, order, known)
    : { name: order.release, run: runOf(service, run, order) };
  refuseHere(service, state, release);
  if (known === undefined) return release;
  if (!sameRun(known.run, release.run)) {
    throw taken(service, release.name, `it was live before, and ran ${sourceOf(known)}`);
  }
  return known;
}

/** One that runs already is not started a second time: CI may ask twice, and what is warm is there. */
function refuseHere(service: string, state: ServiceState, { name, run }: Release): void {
  const live = livePool(state);
  if (live?.release.name === name) {
    if (!sameRun(live.release.run, run)) {
      throw taken(service, name, `it is live on ${state.live} now, and runs something else`);
    }
    const message = `${name} is live on ${state.live} already; there is nothing to deploy.`;
    throw new Fault('RELEASE_LIVE', message, { service, release: name });
  }
  const warm = standbyPool(state);
  if (warm === null || !wasLive(warm) || warm.release.name !== name) return;
  if (!sameRun(warm.release.run, run)) return;
  throw new Fault(
    'RELEASE_WARM',
    `${name} is warm on ${otherColor(state.live)}: a rollback goes to it in milliseconds, and ` +
      'starts nothing. To have it started anew all the same, retire it first.',
    { service, release: name },
  );
}

function asItRan(
  service: string,
  run: Run,
  order: Pick<DeployOrder, 'release' | 'image' | 'targets'>,
  known: Release | undefined,
): Release {
  const refuse = (why: string): Fault =>
    new Fault('RELEASE_INVALID', `${order.release} cannot be deployed again: ${why}.`, { service });
  if (order.image !== null || order.targets.length > 0) {
    throw refuse('it runs what it ran, so the order may name neither image nor targets');
  }
  if (known === undefined) throw refuse(`${service} knows no release of this name`);
  if (known.run.kind !== run.kind) {
    throw refuse(`it ran as \`${known.run.kind}\`, and ${service} runs \`${run.kind}\` now`);
  }
  return known;
}

/** What a release runs, for people: an image by digest, a command, addresses. */
export function sourceOf(release: Release): string {
  const { run } = release;
  if (run.kind === 'static') return run.targets.map(formatTarget).join(', ');
  if (run.kind === 'process') return run.command.join(' ').replaceAll('{release}', release.name);
  return run.digest === null ? run.image : `${run.image} ${run.digest}`;
}

/** How many targets a full pool of the release has; null where only the driver can tell. */
export function sizeOf(release: Release): number | null {
  if (release.run.kind === 'static') return release.run.targets.length;
  if (release.run.kind === 'docker' && release.run.discover) return null;
  return release.run.replicas;
}

function taken(service: string, release: string, why: string): Fault {
  return new Fault(
    'RELEASE_TAKEN',
    `${service} knows a release ${release}: ${why}. Give this one another name.`,
    { service, release },
  );
}

function runOf(
  service: string,
  run: Run,
  order: Pick<DeployOrder, 'image' | 'targets'>,
): ReleaseRun {
  const refuse = (wanted: string): Fault =>
    new Fault('RELEASE_INVALID', `${service} runs \`${run.kind}\`: ${wanted}.`, { service });
  if (run.kind !== 'static' && order.targets.length > 0) {
    throw refuse('its targets come from what it starts, so the order may name none');
  }
  if (run.kind !== 'docker' && order.image !== null) throw refuse('it takes no image');
  if (run.kind === 'static') {
    if (order.targets.length === 0)
      throw refuse('the release must name its targets, such as 10.0.0.7:3000');
    if (order.targets.length > targetsMax) throw refuse(`at most ${targetsMax} targets`);
    return { kind: 'static', targets: order.targets.map(checked) };
  }
  if (run.kind === 'process') return run;
  if (order.image === null && !run.discover) throw refuse('the release must name its image');
  return { ...run, image: order.image ?? '', digest: null };
}

/** Whoever asks by another way than text may not have had it parsed. */
function checked(target: TargetAddress, at: number, all: readonly TargetAddress[]): TargetAddress {
  const named = formatTarget({ ...target, host: String(target.host) });
  if (all.findIndex((other) => formatTarget(other) === named) !== at) {
    throw new Fault('TARGET_INVALID', `The target ${named} is named twice.`, { target: named });
  }
  return parseTarget(named);
}

/** The digest is what an image came to be, not what was asked for; it is left out. */
function sameRun(a: ReleaseRun, b: ReleaseRun): boolean {
  return canonical(a) === canonical(b);
}

function canonical(run: ReleaseRun): string {
  const plain = run.kind === 'docker' ? { ...run, digest: null } : run;
  return JSON.stringify(plain, (_key, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)))
      : value,
  );
}
