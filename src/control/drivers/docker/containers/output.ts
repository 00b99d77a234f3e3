/**
 * What a replica prints: its last lines where it failed, and its first while it starts.
 *
 * The rule this file keeps: output is an explanation, never a decision. It may be missing (a log
 * driver that cannot be read), it is bounded, and failing to get it fails nothing.
 */
import type { Engine } from '../engine/engine.ts';
import { linesOf, unframed } from '../engine/lines.ts';
import type { ContainerFacts } from './facts.ts';

/** What fits a sentence and a terminal. */
const lastLines = 10;
const lineCharsMax = 500;
/** A start that says more than this is not explained by more. */
const followedLinesMax = 200;

/** @returns the last lines of its output; none where the engine cannot give them. */
export async function lastOutput(
  engine: Engine,
  facts: Pick<ContainerFacts, 'id' | 'tty'>,
): Promise<readonly string[]> {
  const lines: string[] = [];
  try {
    const stream = await engine.stream(logCall(facts.id, { tail: String(lastLines) }));
    for await (const line of linesOf(unframed(stream, facts.tty))) lines.push(cleaned(line));
  } catch {
    // An explanation that cannot be had; the exit code stands without it.
  }
  return lines.slice(-lastLines);
}

/** Calls `tell` for each line from `since` on, until the container ends or has said enough. */
export async function followOutput(
  engine: Engine,
  facts: Pick<ContainerFacts, 'id' | 'tty'>,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let count = 0;
  try {
    const stream = await engine.stream({ ...logCall(facts.id, { follow: '1' }), signal });
    for await (const line of linesOf(unframed(stream, facts.tty))) {
      tell(cleaned(line));
      if (++count >= followedLinesMax) break;
    }
    stream.destroy();
  } catch {
    // The same: nothing depends on it.
  }
}

function logCall(id: string, query: Readonly<Record<string, string>>) {
  const both = { stdout: '1', stderr: '1' };
  return { method: 'GET', path: `/containers/${id}/logs`, query: { ...both, ...query } } as const;
}

/** Colors and cursor moves are for the terminal they were meant for. */
function cleaned(line: string): string {
  return (
    line
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it removes.
      .replace(/\u001b\[[0-9;?]*[A-Za-z]|[\u0000-\u0008\u000b-\u001f\u007f]/g, '')
      .slice(0, lineCharsMax)
  );
}
