/**
 * From a release's run options to what the engine is asked to create.
 *
 * The rule this file keeps: the engine's own restart policy is `no`. Who starts a container again
 * is decided in one place, and an engine that returns from an upgrade must not race it.
 */
import { posix } from 'node:path';
import { Fault } from '../../../../errors.ts';
import type { PinnedDockerRun } from '../../../model/state.ts';
import { type Labels, labelPrefix } from './labels.ts';

export interface Spec {
  readonly run: PinnedDockerRun;
  /** `name:tag@sha256:…` or an image id: what `Image` is set to. */
  readonly image: string;
  /** `NAME=value` */
  readonly env: readonly string[];
  /** Those that name the container's place in its pool. */
  readonly labels: Labels;
  /** Publish the port on this address of the engine's machine; null: it is reached by its own. */
  readonly publishOn: string | null;
}

/** The body of `POST /containers/create`. */
export function createOptions(spec: Spec): Readonly<Record<string, unknown>> {
  const { run } = spec;
  const ports = [...new Set([run.port, run.healthPort ?? run.port])].map((one) => `${one}/tcp`);
  const mounts = run.volumes.map(mountOf);
  return {
    Image: spec.image,
    Env: spec.env,
    Labels: { ...run.labels, ...spec.labels },
    ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])),
    StopTimeout: Math.ceil(run.stopMs / 1000),
    ...(run.command !== null && { Cmd: run.command }),
    ...(run.user !== null && { User: run.user }),
    ...(run.stopSignal !== null && { StopSignal: run.stopSignal }),
    Volumes: Object.fromEntries(mounts.filter((one) => !one.bound).map((one) => [one.text, {}])),
    HostConfig: {
      Binds: mounts.filter((one) => one.bound).map((one) => one.text),
      NetworkMode: run.network ?? 'bridge',
      RestartPolicy: { Name: 'no' },
      ReadonlyRootfs: run.readOnly,
      CapDrop: run.capDrop,
      Init: run.init,
      ...(run.memoryBytes !== null && { Memory: run.memoryBytes }),
      ...(run.cpus !== null && { NanoCpus: Math.round(run.cpus * 1e9) }),
      ...(spec.publishOn !== null && {
        // '' asks the engine for a free port; after a restart it is another one.
        PortBindings: Object.fromEntries(
          ports.map((port) => [port, [{ HostIp: spec.publishOn, HostPort: '' }]]),
        ),
      }),
    },
  };
}

/** @throws Fault RELEASE_INVALID for what no container of two pools could be given. */
export function checkRun(service: string, run: PinnedDockerRun): void {
  const refuse = (why: string): never => {
    throw new Fault('RELEASE_INVALID', `${service}: ${why}`, { service });
  };
  const network = run.network ?? 'bridge';
  if (network === 'none' || network === 'host' || network.startsWith('container:')) {
    refuse(
      `run.docker.network is the name of a network in which every container has an address of its ` +
        `own; got "${network}", where blue and green could not both listen on port ${run.port}.`,
    );
  }
  const taken = Object.keys(run.labels).find((one) => one.startsWith(labelPrefix));
  if (taken !== undefined) {
    refuse(`run.docker.labels: "${taken}" is not free; "${labelPrefix}*" is Pointsman's own.`);
  }
  for (const volume of run.volumes) mountOf(volume);
}

/**
 * `source:/path[:options]` is bound; `/path` alone is an anonymous volume that ends with its
 * container.
 */
function mountOf(text: string): { text: string; bound: boolean } {
  const parts = text.split(':');
  const inside = parts.length === 1 ? parts[0] : parts[1];
  if (parts.length > 3 || !inside || !posix.isAbsolute(inside) || parts[0] === '') {
    throw new Fault(
      'RELEASE_INVALID',
      `run.docker.volumes: "source:/path/inside[:ro]" or "/path/inside" was wanted; got "${text}".`,
      { volume: text },
    );
  }
  return { text, bound: parts.length > 1 };
}
