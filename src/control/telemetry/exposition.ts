/**
 * A metric of many values as text (Prometheus exposition format 0.0.4).
 *
 * The rule this file keeps: a line costs one string. prom-client makes three objects and escapes
 * every label for each; with a thousand services a page has 60,000 lines, and a scrape took 300 ms.
 */

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

/** `name="value"`, with what the format escapes. */
export function labelText(name: string, value: string): string {
  return `${name}="${escaped(value).replaceAll('"', '\\"')}"`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
