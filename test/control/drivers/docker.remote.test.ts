/**
 * Engines that are not behind a socket of this machine: by ssh, and by TLS.
 *
 * The rule this file keeps: the other machine is this one, and the way to it is the real one.
 */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { orderOf } from '../../contracts/driver.ts';
import { ask, until, workbench } from '../../support/engine/bench.ts';
import { dockerRelease } from '../../support/engine/releases.ts';
import { describeWithEngine } from '../../support/engine.ts';
import { openMachine, sshdMissing } from '../../support/sshd.ts';
import { freePort } from '../../support/whole.ts';

const skipsSsh = sshdMissing !== null && process.env.CI !== 'true';
const why = skipsSsh ? ` (skipped: ${sshdMissing})` : '';

describeWithEngine('the docker driver and an engine elsewhere', (engine) => {
  const bench = workbench(engine);
  const order = () => orderOf(dockerRelease('v1', { image: 'shop:v1', replicas: 2 }));
  beforeAll(() => engine().image('shop:v1', { VERSION: 'v1' }));
  afterEach(async () => {
    await bench.clear();
    vi.unstubAllEnvs();
  });

  /** A pool from its start to its stop, with a death in between that only an event tells. */
  async function livesThere(dockerHost: string): Promise<void> {
    const { driver, told } = await bench.open({ dockerHost });
    const { targets } = await driver.start(order());
    expect(await ask(targets[0])).toMatchObject({ version: 'v1' });
    const [name = ''] = (await engine().docker('ps', '--format', '{{.Names}}')).split('\n');
    await engine().docker('kill', name);
    await told('shop.blue.1', (all) => all.some(({ state }) => state === 'down'));
    await told('shop.blue.1', (all) => all.every(({ state }) => state === 'running'));
    // What a busy engine does not say within 2 s is left out, and there for one of the next.
    await until(async () => {
      const [pool] = await driver.list();
      return pool?.targets.every(({ memoryBytes = 0 }) => memoryBytes > 0) === true;
    });
    await driver.stop('shop.blue.1');
    expect(await engine().docker('ps', '-aq')).toBe('');
  }

  test.skipIf(skipsSsh)(
    `by ssh: known hosts, keys and settings are those of ssh itself${why}`,
    async () => {
      const machine = await openMachine(engine().host);
      vi.stubEnv('PATH', `${machine.bin}${delimiter}${process.env.PATH}`);
      try {
        await machine.known(false);
        const stranger = await bench.open({ dockerHost: machine.url });
        await expect(stranger.driver.start(order())).rejects.toMatchObject({
          code: 'DRIVER_UNAVAILABLE',
          message: expect.stringContaining('Host key verification failed'),
        });
        stranger.driver.close();

        await machine.known(true);
        await livesThere(machine.url);
      } finally {
        await machine.close();
      }
    },
  );

  test('by TLS: with the certificates of DOCKER_CERT_PATH', async () => {
    const folder = await bench.folder();
    certify(folder);
    const port = await freePort();
    const files = ['--tlscacert', 'ca.pem', '--tlscert', 'cert.pem', '--tlskey', 'key.pem'];
    const options = files.map((one, at) => (at % 2 === 0 ? one : join(folder, one)));
    await engine().stop();
    await engine().start('-H', `tcp://127.0.0.1:${port}`, '--tlsverify', ...options);
    vi.stubEnv('DOCKER_TLS_VERIFY', '1');
    vi.stubEnv('DOCKER_CERT_PATH', folder);

    await livesThere(`tcp://127.0.0.1:${port}`);

    await writeFile(join(folder, 'ca.pem'), '');
    const stranger = await bench.open({ dockerHost: `tcp://127.0.0.1:${port}` });
    await expect(stranger.driver.start(order())).rejects.toMatchObject({
      code: 'DRIVER_UNAVAILABLE',
    });
  });
});

/** One certificate for both sides, which vouches for itself. */
function certify(folder: string): void {
  const request = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=it',
  ];
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')];
  execFileSync('openssl', [...request, ...names, ...files], { stdio: 'ignore' });
  execFileSync('cp', [join(folder, 'cert.pem'), join(folder, 'ca.pem')]);
}
