/**
 * The CLI from its arguments to its exit code.
 *
 * The rule this file keeps: every way a command can end is one line on stderr and a code, and with
 * `--json` one document on stdout. A bug is told as one, with its stack, since nobody else will.
 */
import { Fault, reasonOf } from '../errors.ts';
import { exitOf, exits, Failure } from './exits.ts';
import type { Io } from './io.ts';
import { paintFor } from './paint.ts';
import { runProgram, wantsJson } from './program.ts';

/**
 * @param argv without node and the script.
 * @returns the exit code, 0 to 255; see `exits.ts`. Never throws.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await runProgram(argv, io);
  } catch (caught) {
    const thrown = caught instanceof Fault ? failureOf(caught, argv) : caught;
    const { bad } = paintFor(io.stderr, io.env, !argv.includes('--no-color'));
    if (!(thrown instanceof Failure)) {
      const stack = thrown instanceof Error ? thrown.stack : String(thrown);
      io.stderr.write(`${bad('pointsman: a bug:')} ${stack}\n`);
      return exits.failed;
    }
    io.stderr.write(`${bad('pointsman:')} ${thrown.message}\n`);
    if (wantsJson(argv)) io.stdout.write(`${JSON.stringify(thrown.problem, null, 2)}\n`);
    return thrown.exit;
  }
}

/** What `run` and `check` refuse: the config has a code of its own, all else is a failure. */
function failureOf(fault: Fault, argv: readonly string[]): Failure {
  const exit = exitOf(fault.code, fault.status) === exits.config ? exits.config : exits.failed;
  const named = argv.some((word) => /^(-c|--config)/.test(word));
  const hint = fault.code === 'CONFIG_UNREADABLE' && !named ? '; -c <file> names another' : '';
  const message = `${reasonOf(fault)}${hint}`;
  return new Failure(exit, message, { ...fault.detail, code: fault.code, detail: message });
}
