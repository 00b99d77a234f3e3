/**
 * Images of the last releases are kept, so that deploying an older one again needs no registry.
 *
 * The rule this file keeps: nothing is removed that cannot be had again or that somebody uses. Each
 * release's image gets a local tag `pointsman.local/<service>:<release>`, which keeps it from being
 * pruned and is the whole record of what is kept. Beyond the limit, and once no container is made
 * from it, that tag goes; the image goes with it only if it came from a registry and nobody gave it
 * another name.
 */
import { type Engine, refusedWith } from '../engine/engine.ts';
import { mapLimit } from '../engine/mapLimit.ts';
import type { Pinned } from './images.ts';
import { canonicalName } from './reference.ts';

interface Row {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null;
}

interface Detail extends Row {
  readonly RepoDigests?: readonly string[] | null;
  readonly Metadata?: { readonly LastTagTime?: string };
}

/** Marks the image as this release's, and as the newest of the service's. */
export async function keepImage(
  engine: Engine,
  service: string,
  release: string,
  pinned: Pinned,
): Promise<void> {
  const path = `/images/${pinned.imageId}/tag`;
  await engine.call({
    method: 'POST',
    path,
    query: { repo: repositoryOf(service), tag: release },
  });
}

/**
 * Gives up all but the newest `count` releases of the service.
 *
 * @returns what was removed, for the log.
 */
export async function pruneImages(
  engine: Engine,
  service: string,
  count: number,
): Promise<readonly string[]> {
  const repository = repositoryOf(service);
  const rows = (await engine.call({
    method: 'GET',
    path: '/images/json',
    query: { filters: { reference: [`${repository}:*`] } },
  })) as readonly Row[];
  const details = await mapLimit(rows, async (row) => {
    const path = `/images/${row.Id}/json`;
    return (await engine.call({ method: 'GET', path })) as Detail;
  });
  // Two releases may be one image; it is as new as its last tag, and goes or stays as a whole.
  const newestFirst = [...details].sort((a, b) => taggedAt(b) - taggedAt(a));
  const removed: string[] = [];
  let kept = 0;
  for (const one of newestFirst) {
    const ours = (one.RepoTags ?? []).filter((tag) => tag.startsWith(`${repository}:`));
    kept += ours.length;
    if (kept <= count || kept === ours.length) continue;
    removed.push(...(await giveUp(engine, one, ours)));
  }
  return removed;
}

async function giveUp(
  engine: Engine,
  image: Detail,
  ours: readonly string[],
): Promise<readonly string[]> {
  const digests = image.RepoDigests ?? [];
  const repositories = new Set(digests.map((one) => canonicalName(one.split('@')[0] ?? '')));
  const others = (image.RepoTags ?? []).filter((tag) => !ours.includes(tag));
  // A name in the repository it was pulled from is the registry's, not a person's: it can be had
  // again.
  const foreign = others.filter(
    (tag) => !repositories.has(canonicalName(tag.slice(0, tag.lastIndexOf(':')))),
  );
  // Our tag is the record: it stays until the image can go, so that a later look finds it.
  if (await isUsed(engine, image.Id)) return [];
  const whole = digests.length > 0 && foreign.length === 0;
  // The record goes last: a driver killed on the way finds the rest by it.
  const names = whole ? [...others, ...digests, ...ours] : ours;
  const removed: string[] = [];
  for (const name of names) {
    try {
      await engine.call({ method: 'DELETE', path: `/images/${name}` });
      removed.push(name);
    } catch (thrown) {
      // Gone with the name before it, or in use by a container made this very moment: both are
      // fine.
      if (!refusedWith(thrown, 404, 409)) throw thrown;
    }
  }
  return removed;
}

async function isUsed(engine: Engine, id: string): Promise<boolean> {
  const query = { all: '1', filters: { ancestor: [id] } };
  const path = '/containers/json';
  const users = (await engine.call({ method: 'GET', path, query })) as readonly unknown[];
  return users.length > 0;
}

function taggedAt(image: Detail): number {
  return Date.parse(image.Metadata?.LastTagTime ?? '') || 0;
}

/** A repository is lower case and begins and ends with a letter or digit; services may be freer. */
function repositoryOf(service: string): string {
  const name = service
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return `pointsman.local/${name || 'service'}`;
}
