/** The general lane does what every lane must do. */
import { expect, test } from 'vitest';
import { createGeneralLane } from '../../../src/proxy/general/lane.ts';
import { rawClient } from '../../support/client.ts';
import { oneService, startOrigin, startProxy } from '../../support/proxy.ts';
import { laneSuite } from '../lane/suite.ts';

laneSuite('general', (plane) => {
  const { server } = createGeneralLane(plane);
  return (socket) => void server.emit('connection', socket);
});

test('a request that came while the process stood still is served, though its time was up, and an idle connection ends', async () => {
  const origin = await startOrigin((_req, res) => res.end('served'));
  const proxy = await startProxy((plane) => {
    const { server } = createGeneralLane(plane);
    // From Node 24 on it adds a second to its own.
    Object.assign(server, { keepAliveTimeout: 50, keepAliveTimeoutBuffer: 0 });
    return (socket) => void server.emit('connection', socket);
  }, oneService(origin.port));
  const client = await rawClient(proxy.port);
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  client.send(get);
  await client.until(/served/);

  // Both in one turn: the request is in the socket, unread, when time has passed.
  client.send(get);
  const stillUntil = performance.now() + 200;
  while (performance.now() < stillUntil);
  const got = await client.ended();

  expect(got.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
});
