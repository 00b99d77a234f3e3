/**
 * The chart's data: points of two colors as the columns uPlot draws.
 *
 * The rule this file keeps: where nothing was measured there is a gap, not a zero and not a line
 * across.
 */

import type { ColorSample, SamplePoint } from '../control/model/samples.ts';
import type { Deployment } from '../control/model/state.ts';
import { type Color, colors } from '../wire.ts';

export interface Line {
  readonly color: Color;
  readonly field: 'requests' | 'errors' | 'p50' | 'p99';
  readonly label: string;
}

/** x in seconds since 1970, then a column for each line. */
export type Columns = [number[], ...(number | null)[][]];

export interface Mark {
  /** Seconds since 1970. */
  readonly at: number;
  readonly label: string;
}

export type Scale = 'linear' | 'log';

export const charts: readonly {
  readonly title: string;
  readonly unit: string;
  readonly scale: Scale;
  readonly lines: readonly Line[];
}[] = [
  { title: 'Requests per second', unit: '/s', scale: 'linear', lines: linesOf('requests') },
  {
    title: 'Latency p50 and p99',
    unit: 'ms',
    scale: 'log',
    lines: [...linesOf('p50'), ...linesOf('p99')],
  },
  { title: 'Errors per second (5xx)', unit: '/s', scale: 'linear', lines: linesOf('errors') },
];

const leastMs = 0.1;

/** Points further apart than this are not joined: nobody looked in between. */
const gapSeconds = 15;

export function columnsOf(points: readonly SamplePoint[], lines: readonly Line[]): Columns {
  const x: number[] = [];
  const ys: (number | null)[][] = lines.map(() => []);
  for (const point of points) {
    const at = point.atMs / 1000;
    const before = x.at(-1);
    if (before !== undefined && at - before > gapSeconds) {
      x.push(before + 1);
      for (const y of ys) y.push(null);
    }
    x.push(at);
    for (const [index, line] of lines.entries()) {
      ys[index]?.push(figureOf(point[line.color], line.field));
    }
  }
  return [x, ...ys];
}

/** A vertical line at every flip of a service. */
export function marksOf(deployments: readonly Deployment[], service: string): readonly Mark[] {
  return deployments.flatMap(({ service: of, receipt }) =>
    of === service && receipt
      ? [{ at: Date.parse(receipt.committedAt) / 1000, label: receipt.to.release }]
      : [],
  );
}

function figureOf(sample: ColorSample | null, field: Line['field']): number | null {
  const figure = sample?.[field] ?? null;
  // A logarithmic scale has no zero.
  return figure !== null && field.startsWith('p') ? Math.max(figure, leastMs) : figure;
}

function linesOf(field: Line['field']): readonly Line[] {
  return colors.map((color) => ({ color, field, label: `${color} ${field}` }));
}
