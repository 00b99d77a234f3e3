/**
 * The tours of the documents, as a newcomer types them: the commands of a page, and whether what
 * the page shows is what is printed.
 *
 * The rule this file keeps: a page may show less than is printed, never anything else. Only what
 * differs from run to run (ports, pids, times) is not compared.
 */
import { expect } from 'vitest';
import { section } from './source.ts';

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Step {
  readonly command: string;
  /** What the page shows below it. */
  readonly shown: string;
}

export interface Traveller {
  /** The proxy's front door, which the page calls http://127.0.0.1:8080. */
  readonly url: string;
  /** Runs `pointsman …`. */
  run(...args: string[]): Promise<Ran>;
}

/** Types every command between the page's `<!-- tour -->` marks. @returns how many there were. */
export async function replayTour(markdown: string, traveller: Traveller): Promise<number> {
  const steps = stepsOf(section(markdown, 'tour'));
  let last: number | null = 0;
  for (const { command, shown } of steps) {
    const words = command.replace(/^npx /, '').split(' ');
    let printed: string;
    if (command === 'echo $?') {
      printed = String(last);
    } else if (words[0] === 'pointsman') {
      const { code, stdout, stderr } = await traveller.run(...words.slice(1));
      last = code;
      printed = `${stderr}\n${stdout}`;
    } else {
      const path = /^curl http:\/\/127\.0\.0\.1:8080(\/\S*)$/.exec(command)?.[1];
      if (path === undefined) throw new Error(`the tour cannot run: ${command}`);
      printed = await (await fetch(traveller.url + path)).text();
    }
    const seen = alike(printed);
    const missing = piecesOf(shown).filter((piece) => !seen.includes(piece));
    expect(missing, `$ ${command}\n${printed}`).toEqual([]);
  }
  return steps.length;
}

function stepsOf(markdown: string): Step[] {
  const blocks = [...markdown.matchAll(/^```console\n([\s\S]*?)^```/gm)].map((match) => match[1]);
  return blocks.flatMap((block = '') =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((text) => {
        const [command = '', ...shown] = text.split('\n');
        return { command: command.trim(), shown: shown.join('\n') };
      }),
  );
}

/** What has to be printed: a line each, or what stands between two `…`. */
function piecesOf(shown: string): string[] {
  return shown
    .split(/\n|…/)
    .map(alike)
    .filter((piece) => piece !== '');
}

/** A text without what differs from run to run. */
function alike(text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\d/g, 'DATE')
    .replace(/\d\d:\d\d:\d\d(\.\d+)?/g, 'TIME')
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replace(/\bport \d+/g, 'port PORT')
    .replace(/\bpid \d+/g, 'pid PID')
    .replace(/\b\d+(\.\d+)? ?(ms|s|min)\b/g, 'TIME')
    .replace(/\bover \d+ workers?/g, 'over N workers')
    .replace(/\s+/g, ' ')
    .trim();
}
