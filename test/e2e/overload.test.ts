/**
 * Those who behave, while others do not: at the limits as shipped, in front of a real target.
 *
 * The rule this file keeps: a request that waits is no failure, and one that is answered with
 * anything but 200 is. Figures beside other proxies are those of `npm run bench -- overload`.
 */
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type Pointsman, startPointsman, startReleases } from '../support/whole.ts';

async function start(workers: number): Promise<Pointsman> {
  const { alder } = await startReleases(['alder']);
  const first = { release: 'v1', targets: [alder] };
  return startPointsman({ workers, run: { static: {} }, first });
}

interface Client {
  readonly socket: net.Socket;
  readonly isOpen: () => boolean;
  /** The status line of the next answer, once all of it may have come; or how the connection ended. */
  get(): Promise<string>;
}

async function connected(port: number): Promise<Client> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1');
  onTestFinished(() => void socket.destroy());
  let open = true;
  let told = (_said: string): void => {};
  socket.on('data', (text: string) => told(text.split('\r\n', 1)[0] ?? ''));
  socket.on('error', () => {});
  socket.on('close', () => {
    open = false;
    told('closed');
  });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const get = (): Promise<string> => {
    const answer = new Promise<string>((resolve) => {
      told = resolve;
    });
    socket.write('GET / HTTP/1.1\r\nHost: shop\r\n\r\n');
    return answer;
  };
  return { socket, isOpen: () => open, get };
}

test.each([8 * 1024, 64 * 1024])(
  '300 uploads of %i bytes that hardly move hold up nobody, and go on',
  async (length) => {
    const pointsman = await start(1);
    const slow = await Promise.all(Array.from({ length: 300 }, () => connected(pointsman.port)));
    const head = `POST /slow HTTP/1.1\r\nHost: shop\r\nContent-Length: ${length}\r\n\r\nx`;
    for (const { socket } of slow) socket.write(head);

    const answers: string[] = [];
    for (let nth = 0; nth < 50; nth++) {
      const client = await connected(pointsman.port);
      answers.push(await client.get());
      client.socket.destroy();
    }

    expect(new Set(answers)).toEqual(new Set(['HTTP/1.1 200 OK']));
    expect(slow.filter(({ isOpen }) => !isOpen())).toEqual([]);
  },
);

test('4,000 kept connections ask at one instant, more than targets take and once could wait: all are served', async () => {
  const pointsman = await start(2);
  const clients: Client[] = [];
  // In groups: a backlog is 511 connections long, and one that overflows costs a second.
  for (let nth = 0; nth < 20; nth++) {
    clients.push(
      ...(await Promise.all(Array.from({ length: 200 }, () => connected(pointsman.port)))),
    );
  }

  const answers = await Promise.all(clients.map((client) => client.get()));

  expect(answers.filter((line) => line !== 'HTTP/1.1 200 OK')).toEqual([]);
});
