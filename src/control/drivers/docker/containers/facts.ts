/**
 * A container as the engine describes it, cut down to what the driver decides by.
 *
 * The rule this file keeps: the engine's answers are read here and nowhere else, and what an engine
 * (or Podman) leaves out becomes a plain value that the others need not guard against.
 */
import type { Labels } from './labels.ts';

export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  readonly labels: Labels;
  /** `sha256:…` of the image it really runs. */
  readonly imageId: string;
  readonly env: readonly string[];
  readonly running: boolean;
  readonly paused: boolean;
  /** Created and never started. */
  readonly fresh: boolean;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** What the engine says went wrong at its start; '' for nothing. */
  readonly error: string;
  /** Wall times of the engine's machine, in ms; 0: never. */
  readonly startedAt: number;
  readonly finishedAt: number;
  /** null: the image has no HEALTHCHECK. */
  readonly health: 'starting' | 'healthy' | 'unhealthy' | null;
  /** The last output of the HEALTHCHECK. */
  readonly healthOutput: string;
  readonly tty: boolean;
  readonly hostNetwork: boolean;
  /** By network name; an address is '' while the container is down. */
  readonly networks: readonly {
    readonly name: string;
    readonly id: string;
    readonly address: string;
  }[];
  /** Ports published on the engine's machine. */
  readonly published: readonly {
    readonly port: number;
    readonly hostAddress: string;
    readonly hostPort: number;
  }[];
}

interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly Image?: string;
  readonly State?: {
    readonly Status?: string;
    readonly Running?: boolean;
    readonly Paused?: boolean;
    readonly ExitCode?: number;
    readonly OOMKilled?: boolean;
    readonly Error?: string;
    readonly StartedAt?: string;
    readonly FinishedAt?: string;
    readonly Health?: { readonly Status?: string; readonly Log?: readonly { Output?: string }[] };
  };
  readonly Config?: {
    readonly Labels?: Labels | null;
    readonly Env?: readonly string[] | null;
    readonly Tty?: boolean;
  };
  readonly HostConfig?: { readonly NetworkMode?: string };
  readonly NetworkSettings?: {
    readonly Networks?: Readonly<Record<string, NetworkEnd | null>> | null;
    readonly Ports?: Readonly<
      Record<string, readonly { HostIp?: string; HostPort?: string }[] | null>
    > | null;
  };
}

interface NetworkEnd {
  readonly NetworkID?: string;
  readonly IPAddress?: string;
  readonly GlobalIPv6Address?: string;
}

/** @param answer of `GET /containers/{id}/json`. */
export function factsOf(answer: unknown): ContainerFacts {
  const inspected = answer as Inspected;
  const state = inspected.State ?? {};
  const ends = Object.entries(inspected.NetworkSettings?.Networks ?? {});
  return {
    id: inspected.Id,
    name: inspected.Name.replace(/^\//, ''),
    labels: inspected.Config?.Labels ?? {},
    imageId: inspected.Image ?? '',
    env: inspected.Config?.Env ?? [],
    running: state.Running === true,
    paused: state.Paused === true,
    fresh: state.Status === 'created' || state.Status === 'configured',
    exitCode: state.ExitCode ?? 0,
    outOfMemory: state.OOMKilled === true,
    error: state.Error ?? '',
    startedAt: momentOf(state.StartedAt),
    finishedAt: momentOf(state.FinishedAt),
    health: healthOf(state.Health?.Status),
    healthOutput: state.Health?.Log?.at(-1)?.Output?.trim().slice(0, 200) ?? '',
    tty: inspected.Config?.Tty === true,
    hostNetwork: inspected.HostConfig?.NetworkMode === 'host',
    networks: ends.map(([name, end]) => ({
      name,
      id: end?.NetworkID ?? '',
      address: end?.IPAddress || end?.GlobalIPv6Address || '',
    })),
    published: Object.entries(inspected.NetworkSettings?.Ports ?? {}).flatMap(([key, ends]) =>
      key.endsWith('/tcp')
        ? (ends ?? []).map((end) => ({
            port: Number.parseInt(key, 10),
            hostAddress: end.HostIp ?? '',
            hostPort: Number(end.HostPort ?? 0),
          }))
        : [],
    ),
  };
}

/** How a container that is not running ended, in words. */
export function endOf(facts: ContainerFacts): string {
  if (facts.fresh && facts.error === '') return 'was created and not started';
  if (facts.error !== '' && facts.startedAt === 0) return `did not start: ${facts.error}`;
  const why = facts.outOfMemory
    ? ' (killed: out of memory)'
    : facts.exitCode > 128
      ? ` (signal ${facts.exitCode - 128})`
      : '';
  return `exited with code ${facts.exitCode}${why}`;
}

function healthOf(status: string | undefined): ContainerFacts['health'] {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : null;
}

/** The engine writes year 1 for "never". */
function momentOf(text: string | undefined): number {
  const at = text === undefined ? 0 : Date.parse(text);
  return Number.isNaN(at) || at < 0 ? 0 : at;
}
