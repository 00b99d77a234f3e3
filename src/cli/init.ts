/**
 * `pointsman init`: writes a first configuration, out of three answers.
 *
 * The rule this file keeps: what it writes is what `check` accepts, it says in comments what may be
 * changed next, and it never touches a file that is there.
 */
import { writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { parseConfig } from '../config/load.ts';
import { Fault } from '../errors.ts';
import { exits, Failure } from './exits.ts';
import type { Io } from './io.ts';

export interface InitOptions {
  readonly service?: string;
  readonly host?: string;
  readonly target?: string;
  readonly email?: string;
  /** Ports of plain HTTP and of HTTPS. */
  readonly http?: string;
  readonly https?: string;
  readonly directory?: string;
  readonly caFile?: string;
}

interface Answers {
  readonly service: string;
  /** '': any host, and no HTTPS. */
  readonly host: string;
  readonly target: string;
  /** '': no HTTPS. */
  readonly email: string;
}

const questions = {
  host: 'The name clients call it by, such as shop.example (empty: any, without HTTPS): ',
  target: 'Where your application listens, as host:port: ',
  email:
    "Your e-mail address, for HTTPS by Let's Encrypt, whose terms you agree to (empty: none): ",
};

/** @returns 0. @throws Failure 2 where an answer is missing or wrong, 6 where the file is there. */
export async function init(io: Io, file: string, options: InitOptions): Promise<number> {
  const answers = await answersOf(io, options);
  const text = configText(answers, options);
  judge(text, file);
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new Failure(exits.failed, `${file} cannot be written: ${(thrown as Error).message}`);
    }
    const message = `${file} is there already, and is left as it is; -c <file> names another`;
    throw new Failure(exits.conflict, message);
  }
  io.stdout.write(`${file} is written. Next: pointsman check -c ${file}\n`);
  io.stdout.write(`                  then: pointsman run -c ${file}\n`);
  return exits.ok;
}

async function answersOf(io: Io, options: InitOptions): Promise<Answers> {
  const { service = 'web' } = options;
  const host = options.host ?? (await answer(io, 'host', ''));
  const target = options.target ?? (await answer(io, 'target', null));
  const email = options.email ?? (host === '' ? '' : await answer(io, 'email', ''));
  if (email !== '' && host === '') {
    throw new Failure(exits.usage, '--email takes --host: a certificate is for a name');
  }
  return { service, host, target, email };
}

/** @param otherwise where nobody can be asked; null: it has to be said. */
async function answer(
  io: Io,
  name: keyof typeof questions,
  otherwise: string | null,
): Promise<string> {
  if (io.ask !== null) {
    const said = (await io.ask(questions[name])).trim();
    if (said !== '' || otherwise !== null) return said;
  } else if (otherwise !== null) return otherwise;
  throw new Failure(exits.usage, `init takes --${name}. See: pointsman init --help`);
}

/** What was answered stands in the file as it would be typed; what is wrong in it is told by name. */
function judge(text: string, file: string): void {
  try {
    parseConfig(text, file);
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    throw new Failure(exits.usage, `This would be no configuration:\n${thrown.message}`);
  }
}

function configText(answers: Answers, options: InitOptions): string {
  const { service, host, target, email } = answers;
  if (!/^[A-Za-z0-9_-]+$/.test(service)) {
    throw new Failure(exits.usage, '--service takes letters, digits, - and _');
  }
  const secure = email !== '';
  const http = options.http ?? (secure ? '80' : '8080');
  const lines = [
    '# Written by `pointsman init`. Every key: docs/configuration.md',
    `listen: ${everywhere(http)}`,
    'state: ./pointsman-state      # what happened; keep it, and keep it private',
    '# The page, the API and the metrics, for this machine alone.',
    'admin: { listen: 127.0.0.1:9400 }',
    ...(secure ? tlsLines(email, options) : []),
    'services:',
    `  ${service}:`,
    ...(host === '' ? [] : [`    hosts: [${quoted(host)}]`]),
    ...(secure
      ? [
          '    tls: auto               # its certificate is had and renewed by itself',
          '    # hsts: 365d            # once HTTPS works: browsers use nothing else for so long',
        ]
      : []),
    '    # health: { path: /up }   # asked before a release gets traffic; 200 to 299 is healthy',
    '    run: { static: {} }       # or docker, or process: docs/containers.md',
    `    first: { release: v1, targets: [${quoted(target)}] }`,
    `# The next release: pointsman deploy ${service} v2 --target <host:port>`,
    `# And back:         pointsman rollback ${service}`,
  ];
  return `${lines.join('\n')}\n`;
}

function tlsLines(email: string, { https = '443', directory, caFile }: InitOptions): string[] {
  return [
    'tls:',
    `  listen: ${everywhere(https)}`,
    '  acme:',
    `    email: ${quoted(email)}`,
    "    terms: agreed             # those of the authority: Let's Encrypt, unless it is named",
    ...(directory === undefined
      ? ['    # staging: true         # for a try: certificates nobody trusts, and wide limits']
      : [`    directory: ${quoted(directory)}`]),
    ...(caFile === undefined ? [] : [`    caFile: ${quoted(caFile)}`]),
  ];
}

/** Both kinds of addresses, where this machine has both: one that it has not cannot be bound. */
function everywhere(port: string): string {
  const all = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  const both = all.some(({ family }) => family === 'IPv6');
  const hosts = both ? ['0.0.0.0', '[::]'] : ['0.0.0.0'];
  return `[${hosts.map((host) => quoted(`${host}:${port}`)).join(', ')}]`;
}

/** JSON is YAML: nothing in an answer can become a key. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
