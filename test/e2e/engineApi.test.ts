/**
 * An engine's own API behind a Pointsman: `docker exec` and `docker attach` turn a POST without a
 * body into a bare tunnel, in which one byte that nobody sent is one byte of a user's file.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { describeWithEngine, type TestEngine } from '../support/engine.ts';
import { type Pointsman, startPointsman } from '../support/whole.ts';

const echo = [process.execPath, '-e', 'process.stdin.pipe(process.stdout)'];
const sent = randomBytes(3 * 1024 * 1024);

describeWithEngine("an engine's API behind a Pointsman", (engine) => {
  test.each([
    ['exec', ['exec', '-i', 'echoes', ...echo]],
    ['attach, by run', ['run', '-i', '--rm', '--network', 'none', 'base', ...echo]],
  ])('docker %s: what goes in comes out byte for byte, and its end passes', async (_name, args) => {
    const { docker } = engine();
    onTestFinished(() => engine().clear());
    await docker('run', '-d', '--name', 'echoes', '--network', 'none', 'base', ...still);
    const pointsman = await startBefore(engine());

    for (const bytes of [Buffer.from('0'), sent]) {
      const got = await dockerThrough(pointsman, args, bytes);
      expect(got.error).toBe('');
      expect(got.code).toBe(0);
      expect(got.out.equals(bytes)).toBe(true);
    }
  });
});

const still = [process.execPath, '-e', 'setInterval(() => {}, 60_000)'];

/** A Pointsman whose target is the engine, which listens on a unix socket. */
async function startBefore({ host }: TestEngine): Promise<Pointsman> {
  const path = host.replace('unix://', '');
  const bridge = net.createServer({ allowHalfOpen: true }, (client) => {
    const upstream = net.connect({ path, allowHalfOpen: true });
    client.pipe(upstream).pipe(client);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => bridge.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void bridge.close());
  const { port } = bridge.address() as net.AddressInfo;
  return startPointsman({
    workers: 1,
    run: { static: {} },
    first: { release: 'v1', targets: [`127.0.0.1:${port}`] },
    service: { health: { path: '/_ping', interval: '250ms', rise: 1 } },
  });
}

/** Docker's own CLI, which knows nothing of the engine's socket. */
function dockerThrough(
  pointsman: Pointsman,
  args: readonly string[],
  input: Buffer,
): Promise<{ readonly code: number | null; readonly out: Buffer; readonly error: string }> {
  const env = {
    PATH: process.env.PATH,
    DOCKER_HOST: `tcp://127.0.0.1:${pointsman.port}`,
    DOCKER_CONFIG: pointsman.dir,
  };
  const child = spawn('docker', args, { env });
  const out: Buffer[] = [];
  let error = '';
  child.stdout.on('data', (data: Buffer) => out.push(data));
  child.stderr.on('data', (data: Buffer) => {
    error += data.toString();
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, out: Buffer.concat(out), error }));
  });
}
