/** Listening sockets: bound here or given, and what the private call behind them must go on doing. */
import { closeSync, openSync } from 'node:fs';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type HeldListener, holdListeners } from '../src/listener.ts';

const loopback = { host: '127.0.0.1', port: 0 };

async function held(...args: Parameters<typeof holdListeners>): Promise<HeldListener[]> {
  const all = await holdListeners(...args);
  onTestFinished(() => {
    for (const one of all) one.close();
  });
  return all;
}

/** A socket as another process would have bound it; whoever takes the descriptor closes it. */
async function given(): Promise<{ fd: number; port: number }> {
  const [one] = await holdListeners([loopback]);
  if (one === undefined) throw new Error('nothing was bound');
  return { fd: one.fd, port: one.address.port };
}

test('a given socket is taken for the address it is bound to, and connections come in there', async () => {
  const { fd, port } = await given();

  const [one] = await held([{ host: '127.0.0.1', port }], [{ fd, wanted: null }]);

  expect(one).toMatchObject({ fd, address: { host: '127.0.0.1', port } });
  const server = net.createServer((socket) => socket.end('here'));
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(one?.handle, resolve));
  const heard = await new Promise((resolve) => {
    net.connect(port, '127.0.0.1').setEncoding('utf8').once('data', resolve);
  });
  expect(heard).toBe('here');
});

test('one that was bound for port 0 is found again by what was wanted', async () => {
  const { fd, port } = await given();

  const [one] = await held([loopback], [{ fd, wanted: loopback }]);

  expect(one).toMatchObject({ fd, wanted: loopback, address: { host: '127.0.0.1', port } });
});

test('what is not given is bound beside it, and what nobody wants is closed', async () => {
  const { fd } = await given();
  const other = { host: '127.0.0.1', port: 1 };

  const [one] = await held([loopback], [{ fd, wanted: other }]);

  expect(one?.fd).not.toBe(fd);
  expect(one?.address.port).toBeGreaterThan(0);
});

test('a service manager’s socket that no address of the config is for is refused by name', async () => {
  const { fd, port } = await given();

  const taken = holdListeners([loopback], [{ fd, wanted: null }]);

  await expect(taken).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(`127.0.0.1:${port} is in none of listen`),
  });
});

test('a descriptor that is no socket is refused by its number', async () => {
  const fd = openSync('/dev/null', 'r');
  onTestFinished(() => closeSync(fd));

  const taken = holdListeners([loopback], [{ fd, wanted: null }]);

  await expect(taken).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(`descriptor ${fd} is no TCP socket`),
  });
});
