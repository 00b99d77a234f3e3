/** Which Node is said to be past its end, and from when on. */
import { expect, test } from 'vitest';
import { endOfLifeText } from '../src/nodeSupport.ts';
import { startPointsman, startReleases } from './support/whole.ts';

test('a Node is past its end the day after, and one that nobody knows yet never', () => {
  const at = (version: string, day: string) => endOfLifeText(version, new Date(`${day}T12:00:00Z`));

  expect(at('20.20.2', '2026-04-30')).toBeNull();
  expect(at('20.20.2', '2026-05-02')).toMatch(/^note: Node 20\.20\.2 .* since 2026-04-30; /);
  expect(at('22.23.0', '2026-05-02')).toBeNull();
  expect(at('99.0.0', '2050-01-01')).toBeNull();
});

test('a start says it once, however many processes it has', async () => {
  const { alder = '' } = await startReleases(['alder']);
  const first = { release: 'r0', targets: [alder] };
  const pointsman = await startPointsman({ workers: 2, run: { static: {} }, first });
  const wanted = endOfLifeText(process.versions.node, new Date()) === null ? 0 : 1;

  expect(pointsman.output.match(/has got no security fixes since/g) ?? []).toHaveLength(wanted);
});
