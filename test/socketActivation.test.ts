/** The word of a service manager, and whom it is for. */
import { expect, test } from 'vitest';
import { activatedSockets } from '../src/socketActivation.ts';

test('sockets begin at descriptor 3, and nobody that we start hears of them', () => {
  const env = { LISTEN_PID: '12', LISTEN_FDS: '2', LISTEN_FDNAMES: 'web:admin', PATH: '/bin' };

  const given = activatedSockets(env, 12);

  expect(given).toEqual([
    { fd: 3, wanted: null },
    { fd: 4, wanted: null },
  ]);
  expect(env).toEqual({ PATH: '/bin' });
});

test.each([
  ['nothing is said', {}],
  ['they are another process’ own', { LISTEN_PID: '13', LISTEN_FDS: '2' }],
  ['the number is none', { LISTEN_PID: '12', LISTEN_FDS: 'two' }],
  ['the number is negative', { LISTEN_PID: '12', LISTEN_FDS: '-2' }],
  ['there are none', { LISTEN_PID: '12', LISTEN_FDS: '0' }],
])('nothing is taken where %s', (_, env) => {
  const given = activatedSockets(env, 12);

  expect(given).toEqual([]);
});
