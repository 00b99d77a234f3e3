/**
 * What end-to-end tests of containers share: images of the app, a Pointsman that runs them, and
 * looks at what the engine runs.
 *
 * The rule this file keeps: what runs is asked of the engine by its own CLI, never of Pointsman.
 */
import { expect, onTestFinished } from 'vitest';
import { runCli } from './cli.ts';
import type { TestEngine } from './engine.ts';
import { type Pointsman, preparePointsman, until } from './whole.ts';

/**
 * A service `shop` of two containers a pool, its first release `v1`, behind two workers. When the
 * test is over, all containers are removed.
 */
export async function startWithEngine(
  engine: TestEngine,
  service: object,
  others: Readonly<Record<string, object>> = {},
): Promise<Pointsman> {
  // Comes after the end of Pointsman, which would put back what is missing.
  onTestFinished(() => engine.clear());
  const pointsman = await preparePointsman({
    workers: 2,
    run: dockerOf(2),
    first: { release: 'v1', image: 'shop:v1' },
    service,
    others,
  });
  await pointsman.start({ env: envOf(engine) });
  return pointsman;
}

/** `run` of containers of the app. */
export function dockerOf(replicas: number): object {
  return { docker: { port: 3000, replicas, pull: 'missing', stopTimeout: '2s' } };
}

export function envOf(engine: TestEngine): Record<string, string> {
  return { DOCKER_HOST: engine.host, DOCKER_CONFIG: '/nonexistent' };
}

/** The app of the end-to-end tests as an image that calls itself `release`. */
export async function makeImage(
  { docker }: TestEngine,
  app: string,
  tag: string,
  release: string,
): Promise<void> {
  const scratch = `made-${release}`;
  await docker('create', '--name', scratch, 'base', '/never');
  await docker('cp', app, `${scratch}:/release.mjs`);
  const changes = [
    `ENV RELEASE=${release} PORT=3000 HOST=0.0.0.0`,
    `CMD ["${process.execPath}", "/release.mjs"]`,
  ];
  await docker('commit', ...changes.flatMap((one) => ['--change', one]), scratch, tag);
  await docker('rm', scratch);
}

/** Each container as the engine has it: which, since when, and what it says of itself. */
export async function running({ docker }: TestEngine): Promise<readonly string[]> {
  const format = '{{.Id}} {{.State.StartedAt}} {{.Name}} {{.Image}}';
  for (;;) {
    const ids = (await docker('ps', '-q', '--no-trunc')).split('\n').filter(Boolean);
    if (ids.length === 0) return [];
    const seen = await docker('inspect', '--format', format, ...ids).catch((thrown: unknown) => {
      // One of them went between the two questions: asked again.
      if (String(thrown).includes('No such object')) return null;
      throw thrown;
    });
    if (seen !== null) return seen.split('\n').sort();
  }
}

interface Told {
  readonly pools: Readonly<Record<string, PoolTold | null>>;
}

interface PoolTold {
  readonly id: string;
  readonly color: string;
  readonly release: string;
  readonly source: string;
  readonly targets: readonly { readonly id: string; readonly state: string }[];
}

/**
 * What `pointsman status --json` tells of the pools is what `docker ps -a` tells: each container by
 * name, with its color, release, pool (and so generation), whether it runs, and its image.
 */
export async function agrees({ docker }: TestEngine, pointsman: Pointsman): Promise<void> {
  let told: readonly string[] = [];
  let seen: readonly string[] = [];
  try {
    await until('status and docker ps agree', async () => {
      told = await toldBy(pointsman);
      seen = await seenBy(docker);
      return told.length > 0 && told.join('\n') === seen.join('\n');
    });
  } catch {
    expect(told).toEqual(seen);
    throw new Error('nothing runs');
  }
}

async function toldBy({ adminPort }: Pointsman): Promise<readonly string[]> {
  const url = `http://127.0.0.1:${adminPort}`;
  const { stdout } = await runCli(['status', 'shop', '--json'], { url });
  const { pools } = JSON.parse(stdout) as Told;
  return Object.values(pools)
    .flatMap((pool) =>
      (pool?.targets ?? []).map(
        ({ id, state }) =>
          `${id} ${pool?.color} ${pool?.release} ${pool?.id} ${state} ` + `${pool?.source}`,
      ),
    )
    .sort();
}

async function seenBy(docker: TestEngine['docker']): Promise<readonly string[]> {
  const label = (name: string): string => `{{.Label "pointsman.${name}"}}`;
  const marks = ['color', 'release', 'pool'].map(label).join(' ');
  const format = `{{.Names}} ${marks} {{.State}} ${label('image')} ${label('digest')}`;
  const all = await docker('ps', '-a', '--filter', 'label=pointsman.service', '--format', format);
  return all.split('\n').filter(Boolean).sort();
}
