/** What the docker driver reads: references, env files, addresses of engines, frames of output. */
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import {
  addressOf,
  publishingFor,
} from '../../../../src/control/drivers/docker/containers/addressing.ts';
import { parseEnvFile } from '../../../../src/control/drivers/docker/containers/envFile.ts';
import { factsOf } from '../../../../src/control/drivers/docker/containers/facts.ts';
import { marksOf } from '../../../../src/control/drivers/docker/containers/labels.ts';
import { engineAddressOf } from '../../../../src/control/drivers/docker/engine/address.ts';
import { linesOf, unframed } from '../../../../src/control/drivers/docker/engine/lines.ts';
import {
  canonicalName,
  parseReference,
} from '../../../../src/control/drivers/docker/images/reference.ts';
import { countEnd, newPool, replicaOf } from '../../../../src/control/drivers/docker/pool.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test.each([
  ['shop', 'shop', 'latest', null, 'docker.io'],
  ['shop:v1', 'shop', 'v1', null, 'docker.io'],
  ['team/shop:v1', 'team/shop', 'v1', null, 'docker.io'],
  ['127.0.0.1:5000/shop', '127.0.0.1:5000/shop', 'latest', null, '127.0.0.1:5000'],
  ['localhost/a/b:1.2', 'localhost/a/b', '1.2', null, 'localhost'],
  [`ghcr.io/a/b@${digest}`, 'ghcr.io/a/b', 'latest', digest, 'ghcr.io'],
  [`ghcr.io/a/b:v1@${digest}`, 'ghcr.io/a/b', 'v1', digest, 'ghcr.io'],
  ['[::1]:5000/shop:v1', '[::1]:5000/shop', 'v1', null, '[::1]:5000'],
])('the reference %s is read as the engine reads it', (text, name, tag, pinned, registry) => {
  expect(parseReference(text)).toEqual({ text, name, tag, digest: pinned, registry });
});

test.each([
  '',
  ' ',
  'Shop',
  'shop:',
  'shop:v1:v2',
  'shop@sha256:12',
  'a//b',
  '../etc',
  'shop?x=1',
  'shop v1',
  'a'.repeat(600),
  'b'.repeat(64),
  '/shop',
  'shop/',
  'shop#v1',
  'shop%2e',
])('%j is no reference, and never reaches the engine', (text) => {
  expect(() => parseReference(text)).toThrow(/An image is \[registry\/\]name/);
});

test('the names Docker Hub goes by are one', () => {
  const names = ['shop', 'library/shop', 'docker.io/shop', 'index.docker.io/library/shop'];
  expect(new Set(names.map(canonicalName))).toEqual(new Set(['docker.io/library/shop']));
  expect(canonicalName('127.0.0.1:5000/shop')).toBe('127.0.0.1:5000/shop');
});

test('an env file is read without a shell: quotes, blanks and hashes in values stay', () => {
  const text = '\uFEFF# c\n\n  A=1\r\nB="two" # three \nC=\nD\nE\n F=x=y';

  expect(parseEnvFile(text, 'f', { D: 'mine' })).toEqual([
    ['A', '1'],
    ['B', '"two" # three '],
    ['C', ''],
    ['D', 'mine'],
    ['F', 'x=y'],
  ]);
  expect(() => parseEnvFile('A=1\nB C=2', 'shop.env', {})).toThrow(/^shop\.env:2: NAME=value/);
  expect(() => parseEnvFile('=2', 'shop.env', {})).toThrow(/^shop\.env:1: /);
});

test('DOCKER_HOST is understood as the CLI understands it', () => {
  const env = { HOME: '/nobody' };
  expect(engineAddressOf('unix:///a/b.sock', env)).toMatchObject({
    remoteHost: null,
    options: { protocol: 'http', socketPath: '/a/b.sock' },
  });
  expect(engineAddressOf('tcp://10.0.0.5:2375', env)).toMatchObject({
    remoteHost: '10.0.0.5',
    options: { protocol: 'http', host: '10.0.0.5', port: 2375 },
  });
  expect(engineAddressOf('tcp://127.0.0.1:2375', env).remoteHost).toBeNull();
  expect(engineAddressOf('tcp://box', { ...env, DOCKER_TLS_VERIFY: '1' }).options).toMatchObject({
    protocol: 'https',
    port: 2376,
  });
  expect(engineAddressOf('ssh://deploy@box:2222', env)).toMatchObject({
    remoteHost: 'box',
    ssh: { host: 'box', port: 2222, username: 'deploy' },
  });
  expect(engineAddressOf('ssh://box', env)).toMatchObject({
    remoteHost: 'box',
    ssh: { host: 'box', port: null, username: null },
  });
  expect(engineAddressOf(null, { ...env, DOCKER_HOST: 'unix:///x' }).where).toBe('unix:///x');
  expect(() => engineAddressOf('ftp://box', env)).toThrow(/unix:\/\/path, tcp:\/\/host:port/);
  expect(() =>
    engineAddressOf('tcp://box:2376', { ...env, DOCKER_CERT_PATH: '/no/certificates' }),
  ).toThrow(/ca\.pem, cert\.pem and key\.pem/);
});

test('output comes out of its frames whole, wherever the stream was cut', async () => {
  const frame = (text: string): Buffer => {
    const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const whole = Buffer.concat([frame('one\ntw'), frame('o é\r\n'), frame('three')]);
  for (let cut = 0; cut <= whole.length; cut++) {
    const stream = Readable.from([whole.subarray(0, cut), whole.subarray(cut)]);
    const lines: string[] = [];
    for await (const line of linesOf(unframed(stream, false))) lines.push(line);
    expect(lines).toEqual(['one', 'two é', 'three']);
  }
});

test('a line without an end is passed on in pieces: memory stays bounded', async () => {
  const chunks = Array.from({ length: 40 }, () => Buffer.alloc(16 * 1024, 'x'));
  let longest = 0;
  let total = 0;
  for await (const line of linesOf(Readable.from(chunks))) {
    longest = Math.max(longest, line.length);
    total += line.length;
  }
  expect(longest).toBeLessThanOrEqual(96 * 1024);
  expect(total).toBe(40 * 16 * 1024);
});

const labels = {
  'pointsman.service': 'shop',
  'pointsman.color': 'blue',
  'pointsman.port': '3000',
};

test('labels that do not say enough make no container ours', () => {
  expect(marksOf(labels)).toMatchObject({ service: 'shop', own: null });
  for (const bad of [
    { 'pointsman.color': 'red' },
    { 'pointsman.port': '70000' },
    { 'pointsman.port': '3000x' },
    { 'pointsman.service': '' },
    { 'pointsman.pool': 'shop.blue.1' },
  ]) {
    expect(marksOf({ ...labels, ...bad })).toBeNull();
  }
});

test('what dies again and again is started less and less often, and forgiven once it ran long', () => {
  const marks = marksOf(labels);
  if (marks === null) throw new Error('no marks');
  const replica = replicaOf(newPool('shop.blue.1'), marks, 'shop-1');
  const ended = (at: number, ranMs: number) => ({
    ...factsOf({ Id: 'c', Name: '/c' }),
    startedAt: at,
    finishedAt: at + ranMs,
  });

  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => countEnd(replica, ended(n * 1000, 10)));

  expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect(countEnd(replica, ended(9000, 10))).toBe(30_000);
  expect(replica.deaths).toBe(9);
  expect(countEnd(replica, ended(50_000, 20_000))).toBe(250);
});

test('in a container that shares no network the release is refused, with the way out', () => {
  const container = { name: 'pointsman', networks: new Set(['front', 'f'.repeat(64)]) };
  const here = { container, publishOn: '127.0.0.1' };

  expect(publishingFor({ ...here, container: null }, 'shop', 'web')).toBe('127.0.0.1');
  expect(publishingFor(here, 'shop', 'front')).toBeNull();
  expect(() => publishingFor(here, 'shop', 'web')).toThrow(
    /only in: front\. .*docker network connect web pointsman/,
  );
});

test('a published port of all addresses is reached on loopback, one of another port is not taken', () => {
  const here = { container: null, publishOn: '127.0.0.1' };
  const facts = factsOf({
    Id: 'c',
    Name: '/c',
    NetworkSettings: {
      Ports: {
        '3000/tcp': [{ HostIp: '0.0.0.0', HostPort: '41000' }],
        '9000/udp': [{ HostIp: '0.0.0.0', HostPort: '42000' }],
      },
    },
  });

  expect(addressOf(here, facts, 3000)).toMatchObject({ host: '127.0.0.1', port: 41_000 });
  expect(addressOf(here, facts, 9000)).toBeNull();
});
