/**
 * A metric of many values as text (Prometheus exposition format 0.0.4).
 *
 * The rule this file keeps: a line costs one string. prom-client makes three objects and escapes
 * every label for each; with a thousand services a page has 60,000 lines, and a scrape took 300 ms.
 */

import { type Color, durationBounds, type HistogramCounts } from '../../wire.ts';

/**
 * Writes one line.
 *
 * @param labels what `labelText` made, joined by commas; '' for none.
 * @param suffix `_bucket`, `_sum` or `_count` of a histogram.
 */
export type Line = (labels: string, value: number, suffix?: string) => void;

export interface Series {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Called at each scrape: writes the values as they are then. */
  readonly collect: (line: Line) => void;
}

/** @returns the metric with its HELP and TYPE, each line ended. */
export function seriesText({ name, type, help, collect }: Series): string {
  let text = `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`;
  collect((labels, value, suffix = '') => {
    text +=
      labels === '' ? `${name}${suffix} ${value}\n` : `${name}${suffix}{${labels}} ${value}\n`;
  });
  return text;
}

export function counter(name: string, help: string, collect: Series['collect']): Series {
  return { name: `pointsman_${name}`, type: 'counter', help, collect };
}

export function gauge(name: string, help: string, collect: Series['collect']): Series {
  return { name: `pointsman_${name}`, type: 'gauge', help, collect };
}

/** The labels of a service, or of one of its colors. */
export type ServiceLabels = (service: string, color?: Color) => string;

/** Made once for all scrapes: very many lines begin with these. */
export function serviceLabels(): ServiceLabels {
  const known = new Map<string, string>();
  return (service, color) => {
    const key = color === undefined ? service : `${service} ${color}`;
    let labels = known.get(key);
    if (labels === undefined) {
      labels = labelText('service', service);
      if (color !== undefined) labels += `,${labelText('color', color)}`;
      known.set(key, labels);
    }
    return labels;
  };
}

/** One line for each of the counts, which differ in one label. */
export function labelled(
  label: string,
  counts: () => Readonly<Record<string, number>>,
): Series['collect'] {
  return (line) => {
    for (const [key, value] of Object.entries(counts())) line(labelText(label, key), value);
  };
}

/** Nothing where nothing was counted yet. */
export function histogramLines(
  line: Line,
  labels: string,
  { buckets, sum }: HistogramCounts,
): void {
  if (buckets.every((count) => count === 0)) return;
  let below = 0;
  for (const [at, bound] of bounds.entries()) {
    below += buckets[at] ?? 0;
    line(`${labels},le="${bound}"`, below, '_bucket');
  }
  line(labels, sum, '_sum');
  line(labels, below, '_count');
}

const bounds: readonly string[] = [...durationBounds.map(String), '+Inf'];

/** `name="value"`, with what the format escapes. */
export function labelText(name: string, value: string): string {
  return `${name}="${escaped(value).replaceAll('"', '\\"')}"`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
