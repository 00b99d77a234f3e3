/**
 * From what a person wrote to one exact image: pull it, and pin it.
 *
 * The rule this file keeps: a tag is resolved once. From then on only the digest is used, so a tag
 * that moves changes nothing that was deployed. An image that never was in a registry has no digest
 * there; its own id, the hash of its contents, pins it as firmly, on this engine.
 */
import type { Clock } from '../../../../clock.ts';
import { Fault } from '../../../../errors.ts';
import type { PinnedDockerRun } from '../../../model/state.ts';
import { type Engine, isUnavailable, Refusal, refusedWith } from '../engine/engine.ts';
import { credentialsFor } from './credentials.ts';
import { pull } from './pull.ts';
import { canonicalName, parseReference, type Reference } from './reference.ts';

export interface Pinned {
  /**
   * `sha256:…`: of the manifest in the registry, or of the image itself where it never was in one.
   */
  readonly digest: string;
  /** What a container is created from: it can mean no other image. */
  readonly image: string;
  readonly imageId: string;
  readonly reference: Reference;
}

export interface PullOrder {
  readonly clock: Clock;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

interface ImageFacts {
  readonly Id: string;
  readonly RepoDigests?: readonly string[] | null;
}

/**
 * @param run with a digest: exactly that image, from the registry if it is not here; without:
 *   whatever the reference means now, pulled as `run.pull` says.
 * @throws Fault START_FAILED where it cannot be had, RELEASE_INVALID, DRIVER_UNAVAILABLE, ABORTED.
 */
export async function pin(
  engine: Engine,
  run: Pick<PinnedDockerRun, 'image' | 'digest' | 'pull'>,
  order: PullOrder,
): Promise<Pinned> {
  const reference = parseReference(run.image);
  const digest = run.digest ?? reference.digest;
  if (digest !== null) return pinDigest(engine, reference, digest, run.pull, order);
  const tagged = `${reference.name}:${reference.tag}`;
  const here = run.pull === 'always' ? null : await image(engine, tagged);
  if (here !== null) return pinned(reference, here, null);
  if (run.pull === 'never') {
    throw missing(reference.text, 'it is not on the engine, and run.docker.pull is `never`');
  }
  const pulled = await pullOrSay(engine, reference, reference.tag, order);
  const got = await image(engine, tagged);
  if (got === null) throw missing(reference.text, 'it was pulled, and is gone again');
  return pinned(reference, got, pulled);
}

async function pinDigest(
  engine: Engine,
  reference: Reference,
  digest: string,
  policy: PinnedDockerRun['pull'],
  order: PullOrder,
): Promise<Pinned> {
  const find = async (): Promise<Pinned | null> => {
    const byDigest = await image(engine, `${reference.name}@${digest}`);
    if (byDigest !== null) return pinned(reference, byDigest, digest);
    // The release may have been pinned by its id, having no digest of a registry.
    const byId = await image(engine, digest);
    return byId === null ? null : { digest, image: digest, imageId: byId.Id, reference };
  };
  const here = await find();
  if (here !== null) return here;
  if (policy === 'never') {
    throw missing(`${reference.name}@${digest}`, 'it is gone, and run.docker.pull is `never`');
  }
  await pullOrSay(engine, reference, digest, order);
  const got = await find();
  if (got === null)
    throw missing(`${reference.name}@${digest}`, 'it was pulled, and is gone again');
  return got;
}

/**
 * @param pulledDigest what the pull, or the release, says the digest is; null: the image's own
 *   record.
 */
function pinned(reference: Reference, found: ImageFacts, pulledDigest: string | null): Pinned {
  const digest = pulledDigest ?? recordedDigest(reference, found);
  if (digest === null) {
    return { digest: found.Id, image: found.Id, imageId: found.Id, reference };
  }
  // With the tag beside the digest `docker ps` shows the tag; the engine goes by the digest alone.
  const exact = `${reference.name}:${reference.tag}@${digest}`;
  return { digest, image: exact, imageId: found.Id, reference };
}

function recordedDigest(reference: Reference, found: ImageFacts): string | null {
  for (const entry of found.RepoDigests ?? []) {
    const [name = '', digest = ''] = entry.split('@');
    if (canonicalName(name) === canonicalName(reference.name)) return digest;
  }
  return null;
}

/** @param what a reference or an image id. @returns null where the engine has no such image. */
async function image(engine: Engine, what: string): Promise<ImageFacts | null> {
  try {
    // The slashes of a reference are part of the engine's path, so it is not encoded.
    return (await engine.call({ method: 'GET', path: `/images/${what}/json` })) as ImageFacts;
  } catch (thrown) {
    if (refusedWith(thrown, 404)) return null;
    throw thrown;
  }
}

async function pullOrSay(
  engine: Engine,
  reference: Reference,
  tagOrDigest: string,
  order: PullOrder,
): Promise<string | null> {
  const auth = await credentialsFor(reference.registry);
  try {
    return await pull(engine, { name: reference.name, tagOrDigest, auth, ...order });
  } catch (thrown) {
    if (thrown instanceof Fault || isUnavailable(thrown)) throw thrown;
    const why = thrown instanceof Refusal ? thrown.message : String(thrown);
    const who = auth === null ? ` No credentials for ${reference.registry} were found.` : '';
    throw new Fault(
      'START_FAILED',
      `The image ${reference.text} could not be pulled: ${why.replace(/\.$/, '')}.${who}`,
      { image: reference.text, cause: thrown },
    );
  }
}

function missing(what: string, why: string): Fault {
  return new Fault('START_FAILED', `The image ${what} cannot be run: ${why}.`, { image: what });
}
