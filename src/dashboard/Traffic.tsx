/** The live chart of a service, and the same figures as a table for those who do not see it. */
import { type Color, colors } from '../wire.ts';
import { type Chart, makeChart } from './chart.ts';
import { useEffect, useRef } from './preact.ts';
import { charts, columnsOf, marksOf } from './series.ts';
import { deployments, points, sample } from './store.ts';
import { figures, msWord } from './words.ts';

export function Traffic({ service }: { service: string }) {
  return (
    <section class="panel" aria-labelledby="traffic-title">
      <h2 id="traffic-title">Traffic</h2>
      <Figures service={service} />
      <div class="charts">
        {charts.map((one) => (
          <Plot key={one.title} service={service} one={one} />
        ))}
      </div>
      <p class="quiet legend">
        <span class="stroke blue" aria-hidden="true" /> blue is a full line,{' '}
        <span class="stroke green" aria-hidden="true" /> green a dashed one; p99 is the thicker. A
        vertical line is a flip.
      </p>
    </section>
  );
}

function Plot({ service, one }: { service: string; one: (typeof charts)[number] }) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  useEffect(() => {
    if (!host.current) return;
    chart.current = makeChart(host.current, one.lines, one.scale);
    return () => chart.current?.end();
  }, [one]);
  const data = points.value;
  const flips = deployments.value;
  useEffect(() => {
    chart.current?.show(columnsOf(data, one.lines), marksOf(flips, service));
  }, [data, flips, service, one]);
  return (
    <figure>
      <figcaption>
        {one.title}
        {one.unit === 'ms' ? ' (ms, in powers of ten)' : ''}
      </figcaption>
      <div
        ref={host}
        class="plot"
        role="img"
        aria-label={`${one.title}, the last quarter of an hour`}
      />
    </figure>
  );
}

function Figures({ service }: { service: string }) {
  const now = sample.value?.services[service];
  return (
    <table class="figures">
      <caption class="unseen">Traffic now</caption>
      <thead>
        <tr>
          <th scope="col">Now</th>
          <th scope="col">Requests/s</th>
          <th scope="col">p50</th>
          <th scope="col">p99</th>
          <th scope="col">Errors/s</th>
          <th scope="col">In flight</th>
        </tr>
      </thead>
      <tbody>
        {colors.map((color: Color) => {
          const one = now?.[color];
          return (
            <tr key={color} class={color}>
              <th scope="row">{color.toUpperCase()}</th>
              <td>{figures(one?.requests ?? 0)}</td>
              <td>{msWord(one?.p50)}</td>
              <td>{msWord(one?.p99)}</td>
              <td class={one && one.errors > 0 ? 'bad' : ''}>{figures(one?.errors ?? 0)}</td>
              <td>{one?.inside ?? 0}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
