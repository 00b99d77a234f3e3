/**
 * Draws one chart. The only importer of uPlot.
 *
 * The rule this file keeps: lines differ by their stroke as well as by their color (green is
 * dashed, p99 is thick), and nothing is drawn of what is not seen.
 */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Columns, Line, Mark, Scale } from './series.ts';
import { figures } from './words.ts';

const heightPx = 200;
/** Between the labels of two flips. */
const labelGapPx = 6;

export interface Chart {
  show(columns: Columns, marks: readonly Mark[]): void;
  end(): void;
}

/** @param host gets the canvas; its width is the chart's. */
export function makeChart(host: HTMLElement, lines: readonly Line[], scale: Scale): Chart {
  let marks: readonly Mark[] = [];
  let columns: Columns = [[], ...lines.map(() => [])];
  let plot: uPlot | null = null;

  const draw = (): void => {
    plot?.destroy();
    plot = new uPlot(
      optionsOf(host, lines, scale, () => marks),
      columns as uPlot.AlignedData,
      host,
    );
  };
  const resized = new ResizeObserver(() => {
    plot?.setSize({ width: widthOf(host), height: heightPx });
  });
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  draw();
  resized.observe(host);
  scheme.addEventListener('change', draw);

  return {
    show(next, nextMarks) {
      columns = next;
      marks = nextMarks;
      plot?.setData(columns as uPlot.AlignedData);
    },
    end() {
      resized.disconnect();
      scheme.removeEventListener('change', draw);
      plot?.destroy();
    },
  };
}

function widthOf(host: HTMLElement): number {
  return Math.max(160, host.clientWidth);
}

function optionsOf(
  host: HTMLElement,
  lines: readonly Line[],
  scale: Scale,
  marks: () => readonly Mark[],
): uPlot.Options {
  const ink = (name: string): string => getComputedStyle(host).getPropertyValue(name).trim();
  const font = '11px system-ui, sans-serif';
  const axis = { stroke: ink('--soft'), grid: { stroke: ink('--line'), width: 1 }, font };
  return {
    width: widthOf(host),
    height: heightPx,
    legend: { show: false },
    cursor: { show: false },
    padding: [14, 8, 0, 0],
    scales: { x: { time: true }, y: yOf(scale) },
    axes: [
      { ...axis, ticks: { show: false }, size: 26, space: 70, values: '{HH}:{mm}:{ss}' },
      {
        ...axis,
        ticks: { show: false },
        size: 52,
        space: 32,
        ...(scale === 'log' ? { splits: (_plot, _axis, min, max) => powersOfTen(min, max) } : {}),
        values: (_plot, splits) => splits.map(shortly),
      },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: ink(`--${line.color}`),
        width: line.field === 'p99' ? 2.5 : 1.5,
        ...(line.field === 'requests' ? { fill: ink(`--${line.color}-wash`) } : {}),
        ...(line.color === 'green' ? { dash: [6, 4] } : {}),
        points: { show: false },
      })),
    ],
    hooks: { draw: [(plot) => drawMarks(plot, marks(), ink('--ink'), font)] },
  };
}

/** One slow answer must not press all the others flat: latency is drawn in powers of ten. */
function yOf(scale: Scale): uPlot.Scale {
  if (scale === 'linear') return { range: (_plot, _min, max) => [0, topOf(max)] };
  return {
    distr: 3,
    range: (_plot, min, max) => {
      const low = min === null || !(min > 0) ? 1 : 10 ** Math.floor(Math.log10(min));
      const high = max === null || !(max > 0) ? 10 : 10 ** Math.ceil(Math.log10(max));
      return [low, Math.max(high, low * 10)];
    },
  };
}

/** From `min` to `max`, both powers of ten. */
function powersOfTen(min: number, max: number): number[] {
  const powers: number[] = [];
  for (let at = Math.log10(min); at <= Math.log10(max) + 1e-9; at += 1) powers.push(10 ** at);
  return powers;
}

/** `10 k` in place of `10,000`: the axis is narrow. */
function shortly(value: number): string {
  return value >= 10_000 ? `${figures(value / 1000)} k` : figures(value);
}

/** Never an empty scale: a flat zero is a line at the bottom. */
function topOf(max: number | null): number {
  return max === null || !(max > 0) ? 1 : max * 1.15;
}

function drawMarks(plot: uPlot, marks: readonly Mark[], ink: string, font: string): void {
  const { ctx, bbox } = plot;
  const { min, max } = plot.scales.x ?? {};
  if (min == null || max == null) return;
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.fillStyle = ink;
  ctx.lineWidth = devicePixelRatio;
  ctx.font = font.replace('11px', `${11 * devicePixelRatio}px`);
  ctx.textAlign = 'left';
  // From the newest back: a label that would run into the next is left out, its line is not.
  let free = Number.POSITIVE_INFINITY;
  for (const mark of marks.toSorted((one, other) => other.at - one.at)) {
    if (mark.at < min || mark.at > max) continue;
    const x = Math.round(plot.valToPos(mark.at, 'x', true)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const text = `→ ${mark.label}`;
    const { width } = ctx.measureText(text);
    const from = Math.min(x, bbox.left + bbox.width - width);
    if (from + width + labelGapPx * devicePixelRatio > free) continue;
    ctx.fillText(text, from, bbox.top - 3 * devicePixelRatio);
    free = from;
  }
  ctx.restore();
}
