/**
 * Whether a release is worse. The rule: it trips on evidence, so that one which is as good as the
 * one before it is let be however often it is looked at.
 */
import { expect, test } from 'vitest';
import {
  bounds,
  type Enough,
  type ReleaseFigures,
  weigh,
} from '../../../src/control/gates/evidence.ts';
import { seed, seeded } from '../../support/random.ts';

const enough: Enough = { requestsMin: 50, clientsMin: 2 };
const names = { now: 'v2', before: 'v1' };

/** Its failures are spread evenly over the clients. */
function release(sent: number, failed: number, clients = 10): ReleaseFigures {
  return {
    sent,
    failed,
    // Only one that looks worse is asked for them.
    get clients() {
      const each = Array.from({ length: clients }, (_, at) => Math.floor((failed + at) / clients));
      return Object.fromEntries(
        each.flatMap((count, at) => (count ? [[`10.0.0.${at}`, count]] : [])),
      );
    },
  };
}

test('10,000 releases that are as good as the one before them: at most 0.1 % are called worse', () => {
  const random = seeded(seed);
  const shares = [0, 0.0005, 0.002, 0.01, 0.03, 0.1, 0.3, 0.5, 0.9];
  const rates = [0.05, 0.5, 3, 20, 500];
  const runs = 10_000;
  const looks = 120;
  let tripped = 0;
  for (let run = 0; run < runs; run++) {
    const share = shares[run % shares.length] ?? 0;
    const perLook = (rates[Math.floor(random() * rates.length)] ?? 1) / 2;
    // From nothing to compare with to five minutes of it.
    const before = drawn(random, Math.floor(perLook * 600 * random()), share);
    let [sent, failed] = [0, 0];
    for (let look = 0; look < looks; look++) {
      const more = Math.floor(perLook) + (random() < perLook % 1 ? 1 : 0);
      if (more === 0) continue;
      sent += more;
      failed += drawn(random, more, share).failed;
      if (weigh(release(sent, failed), before, enough, names).verdict !== 'worse') continue;
      tripped++;
      break;
    }
  }

  expect(tripped, `of ${runs}, from seed ${seed}`).toBeLessThanOrEqual(runs / 1000);
});

test('20 % of failures at 200 requests a second are evidence within two seconds', () => {
  const random = seeded(seed);
  const before = drawn(random, 2_000, 0.001);
  const { failed } = drawn(random, 400, 0.2);

  const weighed = weigh(release(400, failed), before, enough, names);

  expect(weighed).toMatchObject({ verdict: 'worse' });
  expect(weighed).toMatchObject({
    reason: expect.stringMatching(
      /^\d+ of 400 requests \(\d+\.\d %\) of v2 failed, against \d+ of 2000 requests .* of v1 /,
    ),
  });
});

test('failures of one client are not held against a release, however many', () => {
  const bad = { sent: 1000, failed: 400, clients: { '10.0.0.9': 399, '10.0.0.3': 1 } };

  const weighed = weigh(bad, { sent: 60_000, failed: 10 }, enough, names);

  expect(weighed).toMatchObject({ verdict: 'inconclusive' });
  expect(weighed).toMatchObject({ reason: expect.stringContaining('for one client') });
});

test('where one address is all there is, the config says that it is enough', () => {
  const bad = { sent: 1000, failed: 400, clients: { '10.0.0.1': 400 } };
  const one = { ...enough, clientsMin: 1 };

  expect(weigh(bad, { sent: 60_000, failed: 10 }, one, names)).toMatchObject({ verdict: 'worse' });
});

test('a release that fails as often as the one before it did is no worse', () => {
  expect(weigh(release(5_000, 2_000), { sent: 60_000, failed: 24_000 }, enough, names)).toEqual({
    verdict: 'no worse',
  });
});

test('three requests a minute prove nothing, and that is said', () => {
  const weighed = weigh(release(3, 3), { sent: 15, failed: 0 }, enough, names);

  expect(weighed).toEqual({
    verdict: 'inconclusive',
    reason: 'v2 had 3 requests, and 50 are wanted to judge it.',
  });
});

test('where nobody knows how the one before fared, failures are not called its like', () => {
  const weighed = weigh(release(500, 100), { sent: 4, failed: 0 }, enough, names);

  expect(weighed).toMatchObject({ verdict: 'inconclusive' });
  expect(weighed).toMatchObject({ reason: expect.stringContaining('v1 had 4 requests') });
});

test('the bounds hold the share between them, and never leave 0 to 1', () => {
  for (const [failed, sent] of [
    [0, 1],
    [1, 1],
    [3, 50],
    [50, 50],
    [7, 6],
    [1, 1_000_000],
  ] as const) {
    const { low, high } = bounds(failed, sent);
    const share = Math.min(1, failed / sent);

    expect(low).toBeGreaterThanOrEqual(0);
    expect(high).toBeLessThanOrEqual(1);
    expect(low - 1e-9).toBeLessThanOrEqual(share);
    expect(high + 1e-9).toBeGreaterThanOrEqual(share);
  }
});

/** How many of `sent` fail by chance. Of many, the normal law's is near enough, and quick. */
function drawn(
  random: () => number,
  sent: number,
  share: number,
): { sent: number; failed: number } {
  let failed = 0;
  if (sent < 40) {
    for (let one = 0; one < sent; one++) if (random() < share) failed++;
    return { sent, failed };
  }
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  failed = Math.round(sent * share + normal * Math.sqrt(sent * share * (1 - share)));
  return { sent, failed: Math.min(sent, Math.max(0, failed)) };
}
