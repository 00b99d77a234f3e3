/**
 * One certificate authority, and our account with it.
 *
 * The rule this file keeps: the account's key is on disk before the authority hears of it, so that
 * a crash makes no second account; and an account that is refused is asked for again after a wait
 * that survives restarts, however many certificates want it.
 */
import type { Clock } from '../../../clock.ts';
import { Fault, reasonOf } from '../../../errors.ts';
import type { AccountRecord, AcmeFiles } from './files.ts';
import { AcmeClient, type Binding } from './protocol/client.ts';
import { type AccountKey, accountKey, newAccountKey } from './protocol/jws.ts';
import { faultOf, Refusal } from './protocol/problem.ts';
import type { Transport } from './protocol/transport.ts';
import { noTries, waitAfter } from './renewal.ts';

export interface AuthorityOptions {
  readonly directory: string;
  readonly email: string | null;
  readonly profile: string | null;
  readonly binding: Binding | null;
  readonly transport: Transport;
  readonly files: AcmeFiles;
  readonly clock: Clock;
  readonly random: () => number;
}

export interface Opened {
  readonly client: AcmeClient;
  readonly key: AccountKey;
}

export class Authority {
  readonly #options: AuthorityOptions;
  #opening: Promise<Opened> | null = null;

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  get directory(): string {
    return this.#options.directory;
  }

  /**
   * The account, found or made; asked for once, however many wait for it.
   *
   * @throws Fault AUTHORITY_UNREACHABLE, AUTHORITY_REFUSED, AUTHORITY_LIMITED,
   *   AUTHORITY_MALFORMED, STATE_NOT_WRITABLE; `detail.retryAfterMs` where it is not to be asked
   *   before.
   */
  open(): Promise<Opened> {
    this.#opening ??= this.#open().catch((thrown) => {
      this.#opening = null;
      throw thrown instanceof Refusal ? faultOf(thrown) : thrown;
    });
    return this.#opening;
  }

  /** The authority has forgotten the account: it is made again, with the same key. */
  async forgotten(): Promise<void> {
    this.#opening = null;
    const { files, directory } = this.#options;
    const record = await files.account(directory);
    if (record !== null) await files.saveAccount({ ...record, url: null });
  }

  async #open(): Promise<Opened> {
    const { directory, email, transport, files, clock } = this.#options;
    let record = await files.account(directory);
    if (record === null) {
      record = { directory, key: newAccountKey(), url: null, email, tries: noTries };
      await files.saveAccount(record);
    }
    const key = accountKey(record.key);
    const client = new AcmeClient(transport, clock, directory, key, record.url);
    await vet(client, this.#options);
    if (record.url === null || record.email !== email) await this.#register(client, record);
    return { client, key };
  }

  async #register(client: AcmeClient, record: AccountRecord): Promise<void> {
    const { email, binding, files, clock, random } = this.#options;
    const now = clock.date().getTime();
    const { tries } = record;
    if (now < tries.nextAt) {
      throw new Fault('AUTHORITY_REFUSED', tries.lastError ?? 'The account was refused.', {
        retryAfterMs: tries.nextAt - now,
      });
    }
    try {
      const url = await client.register(email, binding);
      await files.saveAccount({ ...record, url, email, tries: noTries });
    } catch (thrown) {
      const failures = tries.failures + 1;
      const reached = thrown instanceof Refusal;
      const retryAfterMs = reached ? thrown.retryAfterMs : null;
      await files.saveAccount({
        ...record,
        tries: {
          failures,
          lastError: reasonOf(thrown),
          lastErrorAt: now,
          nextAt: reached ? now + waitAfter(failures, { reached, retryAfterMs }, random()) : 0,
        },
      });
      throw thrown;
    }
  }
}

/**
 * What an authority would refuse anyway is said before it is asked.
 *
 * @throws Fault AUTHORITY_REFUSED, and what reading its directory throws.
 */
export async function vet(
  client: Pick<AcmeClient, 'directory'>,
  of: Pick<AuthorityOptions, 'profile' | 'binding' | 'directory'>,
): Promise<void> {
  const { profile, binding, directory } = of;
  const { profiles, accountRequired } = await client.directory();
  const { host } = new URL(directory);
  if (profile !== null && profiles?.[profile] === undefined) {
    const known =
      Object.keys(profiles ?? {})
        .slice(0, 20)
        .join(', ') || 'none';
    const why = `tls.acme.profile: ${host} has no profile "${profile}"; it has ${known}.`;
    throw new Fault('AUTHORITY_REFUSED', why);
  }
  if (accountRequired && binding === null) {
    const why = `${host} wants an account that it knows: set tls.acme.eab (kid and keyFile).`;
    throw new Fault('AUTHORITY_REFUSED', why);
  }
}
