/**
 * The command line: every command with its arguments and options, and what it runs.
 *
 * The rule this file keeps: it is the only importer of commander, and it only translates: what a
 * command does stands in the file of the command.
 */
import { Command, CommanderError } from 'commander';
import { certificates } from './certificates.ts';
import { check } from './check.ts';
import { adminUrl, type Context, contextOf, type GlobalOptions, wholeNumber } from './context.ts';
import type { DeployOptions } from './deploy.ts';
import { exits, Failure } from './exits.ts';
import { init } from './init.ts';
import type { Io } from './io.ts';
import {
  abort,
  acknowledge,
  confirm,
  deployOrGoBack,
  flip,
  pauseOrResume,
  reload,
  retire,
  rollback,
  wake,
} from './mutations.ts';
import { password } from './password.ts';
import { events, health, history, status, watchStatus } from './queries.ts';
import { type UpgradeOptions, upgrade } from './upgrade.ts';
import { type VerifyOptions, verify } from './verify.ts';

/** How long a command that calls once may take, where --timeout says nothing. */
const callMs = 30_000;
/** One that may have to wait for a warm pool to wake. */
const wakeMs = 2 * 60_000;
/** A deployment: its own timeout is the controller's; this one is for when that one is lost. */
const deployMs = 15 * 60_000;

const configFile = 'pointsman.yaml';

/** Runs what the arguments say. @returns the exit code. @throws Failure */
export async function runProgram(argv: readonly string[], io: Io): Promise<number> {
  let exit: number = exits.ok;
  const program = new Command('pointsman');
  const ran = (code: number): void => {
    exit = code;
  };
  describe(program, io);
  addProcess(program, io, ran);
  addPassword(program, io, ran);
  addLooks(program, io, ran);
  addActs(program, io, ran);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exit;
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return exits.ok;
    // Without any command the help itself has been printed.
    if (thrown.code === 'commander.help') return exits.usage;
    const message = thrown.message.replace(/^error: /, '').replace(/\s*\n\(/, ' (');
    throw new Failure(exits.usage, `${message}. See: pointsman ${commandIn(program, argv)}--help`);
  }
}

/** The command that was meant, and a blank; empty where none is named: its help says more. */
function commandIn(program: Command, argv: readonly string[]): string {
  const named = program.commands.map((command) => command.name());
  const meant = argv.find((word) => named.includes(word));
  return meant === undefined ? '' : `${meant} `;
}

/** Whether the arguments ask for JSON, known even where they are wrong otherwise. */
export function wantsJson(argv: readonly string[]): boolean {
  return argv.includes('--json');
}

function describe(program: Command, io: Io): void {
  program
    .description('A reverse proxy that releases by throwing the points.')
    .version(io.version)
    .option('--admin <url>', `where the admin API is (POINTSMAN_ADMIN, ${adminUrl})`)
    .option('--token-file <file>', 'file with the token (POINTSMAN_TOKEN_FILE, POINTSMAN_TOKEN)')
    .option('--json', 'print the result as JSON')
    .option('--by <name>', 'who calls, for history (default: you@host)')
    .option('--why <text>', 'why, for history')
    .option('--if-generation <n>', 'only if the service is at this generation')
    .option('--timeout <duration>', 'end with 124 after this time (30s, 5m)')
    .option('--no-color', 'no colors (NO_COLOR)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // It is thrown too, and printed where all failures are.
      outputError: () => {},
      getOutHelpWidth: () => io.stdout.columns,
      getErrHelpWidth: () => io.stderr.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 failed, 2 usage, 3 config, 4 unreachable,\n' +
        '5 refused or unhealthy, 6 conflict, 124 timeout.\n' +
        'Results go to stdout, progress and errors to stderr.',
    )
    .exitOverride();
}

type Ran = (exit: number) => void;

function addProcess(program: Command, io: Io, ran: Ran): void {
  const fileOf = (options: { config?: string }): string =>
    options.config ?? io.env.POINTSMAN_CONFIG ?? configFile;
  program
    .command('init')
    .description('write a first configuration; asks for what is not said')
    .option('-c, --config <file>', `the file to write (POINTSMAN_CONFIG, ${configFile})`)
    .option('--host <name>', 'the name clients call it by')
    .option('--target <host:port>', 'where your application listens')
    .option('--email <address>', "HTTPS by Let's Encrypt, whose terms you agree to")
    .option('--service <name>', 'what it is called here', 'web')
    .option('--http <port>', 'for plain HTTP (80; 8080 without HTTPS)')
    .option('--https <port>', 'for HTTPS (443)')
    .option('--directory <url>', 'another authority that speaks ACME')
    .option('--ca-file <file>', "what that authority's own HTTPS is trusted by")
    .action(async (options) => ran(await init(io, fileOf(options), options)));
  program
    .command('run')
    .description('run the proxy')
    .option('-c, --config <file>', `the configuration (POINTSMAN_CONFIG, ${configFile})`)
    .action(async (options) => ran(await io.run(fileOf(options))));
  program
    .command('check')
    .description('say whether a configuration is right')
    .option('-c, --config <file>', `the configuration (POINTSMAN_CONFIG, ${configFile})`)
    .option('--acme', 'also ask the authority what it offers; nothing is ordered')
    .action(async (options, command: Command) => {
      const { json = false } = command.optsWithGlobals<GlobalOptions>();
      ran(await check(io, fileOf(options), { json, acme: options.acme === true }));
    });
}

function addPassword(program: Command, io: Io, ran: Ran): void {
  program
    .command('password')
    .description('a line for the file of `basicAuth`; the password comes on standard input')
    .argument('<name>')
    .action(async (name: string) => ran(await password(io, name)));
}

function addLooks(program: Command, io: Io, ran: Ran): void {
  program
    .command('status')
    .description('what is live, and whether a rollback is ready')
    .argument('[service]')
    .option('-w, --watch', 'show it again whenever something happens')
    .action(async (service: string | undefined, options, command: Command) => {
      const show = options.watch ? watchStatus : status;
      const limitMs = options.watch ? null : callMs;
      ran(await within(io, command, limitMs, (context) => show(context, service)));
    });
  program
    .command('history')
    .description('deployments and rollbacks, newest first')
    .argument('[service]')
    .option('-n, --limit <n>', 'how many, 1 to 1000', '20')
    .action(async (service: string | undefined, options, command: Command) => {
      const limit = wholeNumber('--limit', options.limit);
      ran(await within(io, command, callMs, (context) => history(context, service, limit)));
    });
  program
    .command('events')
    .description('what happened, and with -f what happens')
    .argument('[service]')
    .option('-f, --follow', 'go on with what happens')
    .option('--after <id>', 'begin behind this event')
    .action(async (service: string | undefined, options, command: Command) => {
      const { follow = false } = options;
      const after = options.after === undefined ? null : wholeNumber('--after', options.after);
      const limitMs = follow ? null : callMs;
      const run = (context: Context) => events(context, service, { follow, after });
      ran(await within(io, command, limitMs, run));
    });
  program
    .command('certificates')
    .description('every certificate: when it ends, and what is wrong with it')
    .action(async (_options, command: Command) => {
      ran(await within(io, command, callMs, certificates));
    });
  program
    .command('health')
    .description('end with 0 if Pointsman is ready, for health checks of containers')
    .action(async (_options, command: Command) => ran(await within(io, command, callMs, health)));
}

function addActs(program: Command, io: Io, ran: Ran): void {
  program
    .command('deploy')
    .description('start a release on the standby, prove it healthy, and flip to it')
    .argument('<service>')
    .argument('<release>')
    .option('--image <ref>', 'the image to run, where the service runs containers')
    .option(
      '--target <host:port>',
      'where the service is static: host:port, https://host or unix:/path; repeat it for more',
      also,
    )
    .option('--again', 'a release that was live before, as it ran then')
    .option('--no-flip', 'stop when it is ready; `flip` goes on')
    .option('--confirm-within <duration>', 'go back by itself unless it is confirmed by then (10m)')
    .option('--rollback-unsafe <why>', 'going back from it is unsafe: nothing does so by itself')
    .option('--dry-run', 'say what would happen, and do nothing')
    .option('--detach', 'return when it has begun')
    .option('--wait-drained', 'return when the old pool has drained')
    .action(async (service, release, options: DeployOptions, command: Command) => {
      const run = (context: Context) => deployOrGoBack(context, service, release, options);
      ran(await within(io, command, deployMs, run));
    });
  const simple: [
    string,
    string,
    (context: Context, service: string) => Promise<number>,
    number?,
  ][] = [
    ['flip', 'flip to a deployment that is ready and waits', flip],
    ['wake', 'make a warm pool that is kept small or frozen ready', wake, wakeMs],
    ['abort', 'abort a deployment that has not flipped', abort],
    ['retire', 'stop and empty the standby', retire],
    ['acknowledge', 'take deployments again, after a release was taken back', acknowledge],
    ['resume', 'let them go on', (context, name) => pauseOrResume(context, name, 'resume')],
  ];
  for (const [name, text, act, limitMs = callMs] of simple) {
    program
      .command(name)
      .description(text)
      .argument('<service>')
      .action(async (service: string, _options, command: Command) => {
        ran(await within(io, command, limitMs, (context) => act(context, service)));
      });
  }
  program
    .command('rollback')
    .description('go back to the warm release, at once')
    .argument('<service>')
    .option('--unsafe <why>', 'although it is said to be unsafe: the reason, repeated')
    .action(async (service: string, options: { unsafe?: string }, command: Command) => {
      ran(await within(io, command, wakeMs, (context) => rollback(context, service, options)));
    });
  program
    .command('pause')
    .description('let new requests wait')
    .argument('<service>')
    .option('--page', 'answer them at once with a 503, and the page of the service for it')
    .action(async (service: string, { page }: { page?: boolean }, command: Command) => {
      const run = (context: Context) => pauseOrResume(context, service, 'pause', page);
      ran(await within(io, command, callMs, run));
    });
  program
    .command('confirm')
    .description('say that the release stays which was deployed with --confirm-within')
    .argument('<service>')
    .option('--within <duration>', 'not yet: it has so long from now (10m)')
    .action(async (service: string, options: { within?: string }, command: Command) => {
      ran(await within(io, command, callMs, (context) => confirm(context, service, options)));
    });
  program
    .command('verify')
    .description('flip to and fro under a load of its own, and say what clients noticed')
    .argument('<service>')
    .requiredOption('--url <url>', 'where clients reach the service')
    .option('--host <name>', 'the Host to ask for, where it is not that of the URL')
    .option('--flips <n>', 'how many; an even number, so that it ends where it began', '10')
    .option('--clients <n>', 'connections that are kept', '8')
    .option('--rate <n>', 'requests a second, of all clients together', '200')
    .action(async (service: string, options: VerifyOptions, command: Command) => {
      const run = (context: Context) => verify(context, service, options);
      ran(await within(io, command, deployMs, run));
    });
  program
    .command('upgrade')
    .description('replace the Pointsman that runs by the one that is installed now')
    .option('--wait-drained', 'return when the old one has ended, and with it its connections')
    .action(async (options: UpgradeOptions, command: Command) => {
      ran(await within(io, command, deployMs, (context) => upgrade(context, options)));
    });
  program
    .command('reload')
    .description('read the configuration again')
    .action(async (_options, command: Command) => ran(await within(io, command, callMs, reload)));
}

async function within(
  io: Io,
  command: Command,
  limitMs: number | null,
  run: (context: Context) => Promise<number>,
): Promise<number> {
  const context = contextOf(io, command.optsWithGlobals<GlobalOptions>(), limitMs);
  try {
    return await run(context);
  } finally {
    context.end();
  }
}

function also(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
