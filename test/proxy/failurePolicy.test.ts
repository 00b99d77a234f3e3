/** What failures lead to, in both lanes: the whole table of each decision. */
import { expect, test } from 'vitest';
import { faults } from '../../src/errors.ts';
import {
  afterCut,
  afterHalfClose,
  afterSilence,
  afterStall,
  answerToLoss,
  avoidsTarget,
  type BodyState,
  blamesTarget,
  type Loss,
  mayRetry,
} from '../../src/proxy/failurePolicy.ts';

const losses: readonly Loss[] = [
  'connect',
  'stale',
  'reset',
  'broken',
  'malformed',
  'oversized',
  'endless',
  'silent',
];
const bodies: readonly BodyState[] = ['none', 'unread', 'read'];
const fresh = { method: 'GET', retries: 0, retryReason: null, status: 0 };

/** The losses, each with the states of a body, that are tried again. */
function retried(method: string): readonly string[] {
  return losses.flatMap((loss) =>
    bodies.filter((body) => mayRetry(loss, { ...fresh, method }, body)).map((b) => `${loss} ${b}`),
  );
}

test('a request is tried again only where it cannot run twice', () => {
  expect(retried('GET')).toEqual(['connect none', 'connect unread', 'stale none', 'reset none']);
  expect(retried('POST')).toEqual(['connect none', 'connect unread']);
  expect(
    ['HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'get', 'LOCK'].map(
      (method) => retried(method).length,
    ),
  ).toEqual([4, 4, 4, 4, 2, 2, 2]);
});

test('a request is tried again once, and never behind something that its client got', () => {
  const tried = { ...fresh, retries: 1, retryReason: 'connect' as const };
  const again = losses.filter((loss) => mayRetry(loss, tried, 'none'));
  const answered = losses.filter((loss) => mayRetry(loss, { ...fresh, status: 200 }, 'none'));

  expect([again, answered]).toEqual([[], []]);
});

test('a stale connection costs a request nothing: what fails behind it is tried again, once', () => {
  const once = { ...fresh, retries: 1, retryReason: 'stale' as const };
  const twice = { ...fresh, retries: 2, retryReason: 'reset' as const };
  const again = (tried: typeof once | typeof twice) =>
    losses.filter((loss) => mayRetry(loss, tried, 'none'));

  expect([again(once), again(twice)]).toEqual([['connect', 'reset'], []]);
});

test('a stale connection is nobody’s failure: its target is neither blamed nor avoided', () => {
  expect(losses.filter((loss) => !blamesTarget(loss))).toEqual(['stale']);
  expect((['connect', 'stale', 'reset'] as const).filter(avoidsTarget)).toEqual([
    'connect',
    'reset',
  ]);
});

test('every loss has an answer of its own side, and only what cannot be reached is down', () => {
  const codes = losses.map((loss) => answerToLoss(loss, false));

  expect(codes).toEqual([
    'UPSTREAM_UNREACHABLE',
    'UPSTREAM_RESET',
    'UPSTREAM_RESET',
    'UPSTREAM_RESET',
    'UPSTREAM_MALFORMED',
    'UPSTREAM_HEADER_TOO_LARGE',
    'UPSTREAM_INTERIM_ENDLESS',
    'UPSTREAM_TIMEOUT',
  ]);
  expect(new Set(codes.map((code) => faults[code].side))).toEqual(new Set(['upstream']));
  expect(losses.filter((loss) => answerToLoss(loss, true) !== answerToLoss(loss, false))).toEqual([
    'connect',
  ]);
  expect(answerToLoss('connect', true)).toBe('NO_HEALTHY_TARGET');
});

test('silence before an answer is the client’s only while it owes a body that the target takes', () => {
  expect(afterSilence(true, false)).toBe('REQUEST_TIMEOUT');
  expect([afterSilence(true, true), afterSilence(false, false), afterSilence(false, true)]).toEqual(
    ['silent', 'silent', 'silent'],
  );
});

test('silence in mid-answer: a client that reads slowly is waited for, one that does not read is left', () => {
  expect([afterStall(true, true), afterStall(true, false)]).toEqual(['wait', 'break']);
  expect([afterStall(false, true), afterStall(false, false)]).toEqual([
    'UPSTREAM_TIMEOUT',
    'UPSTREAM_TIMEOUT',
  ]);
});

test('a cut never ends an answer cleanly that is not whole', () => {
  for (const why of ['drain', 'retired', 'shutdown'] as const) {
    expect(afterCut(why, 'answering')).toBe('break');
    expect([afterCut(why, 'endable'), afterCut(why, 'tunnel')]).toEqual(['end', 'end']);
  }
  expect(
    (['drain', 'retired', 'shutdown'] as const).map((why) => afterCut(why, 'unanswered')),
  ).toEqual(['UPSTREAM_TIMEOUT', 'UPSTREAM_TIMEOUT', 'SHUTTING_DOWN']);
});

test('a client that shut its side has left an event stream, and may want any other answer', () => {
  expect([afterHalfClose('sse', true, '1.1'), afterHalfClose('sse', false, '1.0')]).toEqual([
    'break',
    'break',
  ]);
  expect([afterHalfClose('http', false, '1.1'), afterHalfClose(null, false, '1.1')]).toEqual([
    'probe',
    'probe',
  ]);
  expect([afterHalfClose('http', true, '1.1'), afterHalfClose('http', false, '1.0')]).toEqual([
    'wait',
    'wait',
  ]);
});
