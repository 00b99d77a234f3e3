/**
 * From a release to what is spawned: command, folder and environment of one replica.
 *
 * The rule this file keeps: all of it comes from the release, so a restart or a rollback runs what
 * ran before. What Pointsman says (PORT, RELEASE, POINTSMAN_*) stands above what the release says,
 * which stands above what Pointsman's own environment says.
 */
import { stat } from 'node:fs/promises';
import type { ProcessRun } from '../../../config/config.ts';
import { Fault } from '../../../errors.ts';
import { type Mark, markVariable } from './marks.ts';

export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * @param base the environment the replica starts from; what is Pointsman's own in it is left out.
 */
export function launchOf(run: ProcessRun, mark: Mark, base: NodeJS.ProcessEnv): Launch {
  const expand = (text: string): string => text.replaceAll('{release}', () => mark.release);
  const [program = '', ...args] = run.command.map(expand);
  const own = Object.entries(run.env).map(([key, value]) => [key, expand(value)]);
  return {
    program,
    args,
    cwd: expand(run.cwd),
    env: {
      ...inherited(base),
      HOST: '127.0.0.1',
      ...Object.fromEntries(own),
      PORT: String(mark.port),
      RELEASE: mark.release,
      POINTSMAN_SERVICE: mark.service,
      POINTSMAN_COLOR: mark.color,
      POINTSMAN_POOL: mark.poolId,
      POINTSMAN_REPLICA: String(mark.replica),
      ...markVariable(mark),
    },
  };
}

/**
 * A missing folder and a missing program are the same ENOENT to `spawn`, so the folder is looked at
 * first.
 */
export async function checkFolder(launch: Launch, release: string): Promise<void> {
  const folder = await stat(launch.cwd).then(
    (found) => (found.isDirectory() ? null : 'is no directory'),
    (caught: NodeJS.ErrnoException) => `cannot be used (${caught.code})`,
  );
  if (folder === null) return;
  throw new Fault(
    'START_FAILED',
    `Release ${release} runs in ${launch.cwd}, which ${folder}. Put the release there first.`,
    { release, cwd: launch.cwd },
  );
}

/** Why a spawn failed, as the Fault to be thrown. */
export function spawnFault(cause: unknown, launch: Launch, release: string): Fault {
  const { code, message } = cause as NodeJS.ErrnoException;
  const { program } = launch;
  const what: Record<string, string> = {
    ENOENT: `The program ${program} was not found, in PATH or from ${launch.cwd}`,
    EACCES: `The program ${program} may not be executed`,
    EAGAIN: `The system allows no more processes, so ${program} was not started`,
  };
  return new Fault(
    code === 'ERR_INVALID_ARG_VALUE' ? 'RELEASE_INVALID' : 'START_FAILED',
    `${what[code ?? ''] ?? `${program} could not be started`} (${code ?? message}). ` +
      `Correct the command of release ${release} and deploy it again.`,
    { release, command: [program, ...launch.args], cause },
  );
}

/**
 * The environment that others are started with. Variables by which Node's own children talk to
 * their parent would make them ours.
 */
export function inherited(base: NodeJS.ProcessEnv): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [key, value] of Object.entries(base)) {
    if (value === undefined || key.startsWith('POINTSMAN_') || key.startsWith('NODE_CHANNEL_')) {
      continue;
    }
    if (key !== 'NODE_UNIQUE_ID') kept[key] = value;
  }
  return kept;
}
