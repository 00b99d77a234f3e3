/**
 * Words and columns for a terminal.
 *
 * The rule this file keeps: what comes from elsewhere can not steer the terminal (no control
 * characters reach it), and a line never gets longer than the terminal is wide.
 */

/** Takes out what would steer a terminal; line breaks stay. */
export function clean(text: string): string {
  return text.replaceAll(/(?!\n)[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, ' ');
}

/** One line of at most `width` characters, with an ellipsis where something is missing. */
export function clip(text: string, width: number): string {
  const line = text.replaceAll(/\s*\n\s*/g, ' ');
  const characters = [...line];
  if (characters.length <= width) return line;
  return `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** Breaks at blanks; the first line begins with `first`, the others with as many blanks. */
export function wrap(first: string, text: string, width: number): string {
  const indent = ' '.repeat(first.length);
  const room = Math.max(20, width - first.length);
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line && line.length + 1 + word.length > room) {
        lines.push(line);
        line = word;
      } else line = line ? `${line} ${word}` : word;
    }
    lines.push(line);
  }
  return lines.map((line, i) => `${i === 0 ? first : indent}${line}`.trimEnd()).join('\n');
}

/** A cell: plain text, and how to paint it once it has its width. */
export type Cell = string | { readonly text: string; readonly paint: (text: string) => string };

/**
 * Columns two blanks apart. Where they do not fit, the widest give way first.
 *
 * @param right indexes of the columns that hold numbers.
 */
export function table(
  rows: readonly (readonly Cell[])[],
  width: number,
  right: readonly number[] = [],
): string {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? cell : cell.text)));
  const widths = widthsOf(texts, width);
  const lines = rows.map((row, y) => {
    const last = row.length - 1;
    const cells = row.map((cell, x) => {
      const columns = widths[x] ?? 0;
      const text = clip(texts[y]?.[x] ?? '', columns);
      const gap = ' '.repeat(columns - [...text].length);
      const painted = typeof cell === 'string' ? text : cell.paint(text);
      if (right.includes(x)) return `${gap}${painted}`;
      return x === last ? painted : `${painted}${gap}`;
    });
    return cells.join('  ').trimEnd();
  });
  return lines.join('\n');
}

function widthsOf(texts: readonly (readonly string[])[], width: number): number[] {
  const widths: number[] = [];
  for (const row of texts) {
    row.forEach((text, x) => {
      widths[x] = Math.max(widths[x] ?? 0, [...text].length);
    });
  }
  const total = (): number => widths.reduce((sum, w) => sum + w, 2 * (widths.length - 1));
  while (total() > width && Math.max(...widths) > 6) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** Milliseconds as people say them: `0.82 ms`, `12 s`, `3 min`. */
export function duration(ms: number): string {
  if (ms < 10) return `${Number(ms.toFixed(2))} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(1))} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

/**
 * How long since then, in whole seconds; null: less than one, or not yet by a clock that jumped.
 */
export function since(iso: string, now: Date): string | null {
  const ms = now.getTime() - Date.parse(iso);
  return ms < 1000 ? null : duration(Math.floor(ms / 1000) * 1000);
}

/** `3 min ago`, `just now` */
export function ago(iso: string, now: Date): string {
  const time = since(iso, now);
  return time === null ? 'just now' : `${time} ago`;
}

/** `2026-01-01 00:01:02` */
export function moment(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}

/** `1 request`, `2 requests` */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Binary units, one decimal. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}
