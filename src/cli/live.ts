/**
 * A block of lines that is drawn again in its place, on a terminal.
 *
 * The rule this file keeps: no line wraps and the block is never higher than the terminal, because
 * the cursor goes up by as many lines as were written, and a wrapped line is two.
 */
import type { Out } from './io.ts';
import { clip } from './text.ts';

const csi = '\u001b[';

export class Live {
  readonly #out: Out;
  #lines = 0;

  constructor(out: Out) {
    this.#out = out;
  }

  /** @param lines may be painted; `plain` are the same without paint, to know how long they are. */
  draw(lines: readonly string[], plain: readonly string[]): void {
    const fitting = lines.slice(0, Math.max(1, this.#out.rows - 1)).map((line, i) => {
      const bare = plain[i] ?? line;
      const clipped = clip(bare, this.#out.columns - 1);
      return clipped === bare ? line : clipped;
    });
    const up = this.#lines > 0 ? `${csi}${this.#lines}A` : '';
    const text = fitting.map((line) => `${csi}2K${line}\n`).join('');
    this.#out.write(`${up}\r${text}${csi}0J`);
    this.#lines = fitting.length;
  }

  /** Leaves what stands there, or takes it away. */
  end(erase: boolean): void {
    if (erase && this.#lines > 0) this.#out.write(`${csi}${this.#lines}A\r${csi}0J`);
    this.#lines = 0;
  }
}
