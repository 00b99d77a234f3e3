/** What `deploy/compose.yaml` does to a machine: nothing is opened, nothing of others is overwritten. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/load.ts';
import { read, root } from '../support/source.ts';

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile?: string };
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly pull_policy?: string;
}

const compose = parse(read('deploy/compose.yaml'), { merge: true });
const services = Object.values(compose.services as Record<string, Service>);
const ours = services.filter(({ image }) => image.startsWith('pointsman'));

test('every port is published on loopback, unless somebody says otherwise', () => {
  const ports = services.flatMap((service) => service.ports ?? []);

  expect(ports.length).toBeGreaterThan(2);
  expect(ports.filter((port) => !/^(\$\{\w+:-)?127\.0\.0\.1:/.test(port))).toEqual([]);
});

test('each image of ours has one builder, and nobody pulls it', () => {
  for (const image of new Set(ours.map((service) => service.image))) {
    const users = ours.filter((service) => service.image === image);
    expect(users.filter(({ build }) => build !== undefined)).toHaveLength(1);
    for (const { build, pull_policy } of users) {
      if (build === undefined) expect(pull_policy).toBe('never');
    }
  }
});

test('images of the demo have names that nobody else gives, and the config starts with one of them', () => {
  const named = services.filter(({ build }) => build !== undefined).map(({ image }) => image);
  const config = parseConfig(read('deploy/compose/pointsman.yaml'), 'pointsman.yaml');

  expect(named.filter((image) => !/^pointsman(-demo\/\w+)?:/.test(image))).toEqual([]);
  expect(named).toContain(config.services[0]?.first?.image);
});

test('what is built from and mounted is there', () => {
  const paths = services.flatMap(({ build, volumes = [] }) => [
    ...(build === undefined
      ? []
      : [join('deploy', build.context, build.dockerfile ?? 'Dockerfile')]),
    ...volumes
      .map((volume) => volume.split(':')[0] ?? '')
      .filter((path) => path.startsWith('.'))
      .map((path) => join('deploy', path)),
  ]);

  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
