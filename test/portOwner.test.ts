/** Who has an address, as it is told to somebody who cannot have it. Linux alone tells. */
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { holdListener } from '../src/listener.ts';
import { portOwner } from '../src/portOwner.ts';

async function listenOn(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return (server.address() as AddressInfo).port;
}

test('whoever listens is told by pid and command, and an address beside it is free', async () => {
  const port = await listenOn('127.0.0.1');

  const owner = portOwner({ host: '127.0.0.1', port });
  expect(owner).toMatchObject({ pid: process.pid });
  expect((owner as { command: string }).command).toContain('node');
  expect(portOwner({ host: 'localhost', port })).toEqual(owner);
  expect(portOwner({ host: '0.0.0.0', port })).toEqual(owner);
  expect(portOwner({ host: '127.0.0.2', port })).toBe('free');
});

test('who listens for everybody has each address', async () => {
  const port = await listenOn('::');

  expect(portOwner({ host: '127.0.0.1', port })).toMatchObject({ pid: process.pid });
  expect(portOwner({ host: '::1', port })).toMatchObject({ pid: process.pid });
});

test('a port that is taken is refused with the name of who has it', async () => {
  const port = await listenOn('127.0.0.1');

  await expect(holdListener({ host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringContaining(`process ${process.pid} (`),
  });
});
