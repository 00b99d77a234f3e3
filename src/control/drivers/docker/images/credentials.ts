/**
 * Who we are to a registry: what `docker login` wrote down, or what a credential helper says.
 *
 * The rule this file keeps: credentials are read at each pull and kept nowhere, never logged, and
 * go to the one registry they were given for. A config that names a helper which does not work is
 * an error, not an anonymous pull that fails for a reason nobody can see.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, reasonOf } from '../../../../errors.ts';
import { dockerConfigDir } from '../engine/address.ts';

/** A helper asks a key store; one that waits for a person will not get one here. */
const helperMs = 15_000;

export type Credentials = Readonly<Record<string, string>>;

interface DockerConfig {
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

interface AuthEntry {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * @param registry as a reference names it: `docker.io`, `registry.example:5000`.
 * @returns what X-Registry-Auth carries; null: there is nothing for this registry, pull without a
 *   name.
 * @throws Fault START_FAILED where the file or a helper cannot be read, saying which.
 */
export async function credentialsFor(
  registry: string,
  env: Env = process.env,
): Promise<Credentials | null> {
  const file = env.REGISTRY_AUTH_FILE || join(dockerConfigDir(env), 'config.json');
  const config = await readConfig(file);
  const names = namesOf(registry);
  const helper = names.map((name) => config.credHelpers?.[name]).find(Boolean) ?? config.credsStore;
  if (helper !== undefined && helper !== '') {
    const answer = await askHelper(helper, names[0] ?? registry, file);
    if (answer !== null) return { ...answer, serveraddress: registry };
  }
  for (const [key, entry] of Object.entries(config.auths ?? {})) {
    if (!names.includes(key.replace(/^https?:\/\//, '').replace(/\/.*$/, ''))) continue;
    const found = fromEntry(entry, key, file);
    if (found !== null) return { ...found, serveraddress: registry };
  }
  return null;
}

/** Docker Hub goes by several names; `docker login` writes the oldest. */
function namesOf(registry: string): readonly string[] {
  if (registry !== 'docker.io') return [registry];
  return ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io'];
}

async function readConfig(file: string): Promise<DockerConfig> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as DockerConfig;
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === 'ENOENT') return {};
    throw new Fault(
      'START_FAILED',
      `The registry credentials in ${file} cannot be read: ${reasonOf(thrown)}.`,
      { file, cause: thrown },
    );
  }
}

function fromEntry(entry: AuthEntry, key: string, file: string): Credentials | null {
  if (entry.identitytoken) return { identitytoken: entry.identitytoken };
  if (entry.registrytoken) return { registrytoken: entry.registrytoken };
  if (entry.username !== undefined && entry.password !== undefined) {
    return { username: entry.username, password: entry.password };
  }
  if (!entry.auth) return null;
  const plain = Buffer.from(entry.auth, 'base64').toString('utf8');
  const colon = plain.indexOf(':');
  if (colon < 1) {
    throw new Fault(
      'START_FAILED',
      `${file}: auths."${key}".auth is base64 of user:password; it is something else. ` +
        'Run `docker login` again.',
      { file },
    );
  }
  return { username: plain.slice(0, colon), password: plain.slice(colon + 1).replace(/\0+$/, '') };
}

async function askHelper(
  helper: string,
  server: string,
  file: string,
): Promise<Credentials | null> {
  const program = `docker-credential-${helper}`;
  const refuse = (why: string): Fault =>
    new Fault('START_FAILED', `${program}, which ${file} names for ${server}, ${why}.`, { file });
  if (!/^[A-Za-z0-9_.-]+$/.test(helper)) throw refuse('is no name of a program');
  return new Promise((resolve, reject) => {
    const child = execFile(program, ['get'], { timeout: helperMs }, (error, stdout) => {
      if (error === null) {
        try {
          const answer = JSON.parse(stdout) as { Username?: string; Secret?: string };
          const { Username = '', Secret = '' } = answer;
          return resolve(
            Username === '<token>'
              ? { identitytoken: Secret }
              : { username: Username, password: Secret },
          );
        } catch {
          return reject(refuse('gave no JSON with Username and Secret'));
        }
      }
      // What helpers say, on stdout, where they simply have nothing for this server.
      if (/credentials not found/i.test(stdout)) return resolve(null);
      if ((error as { code?: unknown }).code === 'ENOENT') return reject(refuse('is not on PATH'));
      reject(refuse(`failed: ${stdout.trim().slice(0, 200) || error.message}`));
    });
    // It may end before it reads; its exit then says why.
    child.stdin?.on('error', () => {});
    child.stdin?.end(server);
  });
}
