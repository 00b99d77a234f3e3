/**
 * State as files: `state.json`, the good one before it as `state.previous.json`, and the history.
 *
 * The rule this file keeps: at every moment, a crash at any instruction included, one of the two
 * state files is whole and durable. The new text is written aside and synced (first fsync), the
 * current file gets its second name by a hard link, the new one takes its place by a rename, and
 * the folder is synced (second fsync). Only one process writes a directory (`lock.ts`), and its
 * calls wait for each other.
 *
 * A file that cannot be trusted is never overwritten unseen: the first save after a recovery keeps
 * it as `state.damaged.json`. What stands in the way and is no file is put aside (`regular.ts`).
 */
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../errors.ts';
import { type Deployment, type State, stateFormat } from '../model/state.ts';
import { bytesMax, checksumOf, decode, encode, type Texts, textsOf } from './format.ts';
import { HistoryFile, historyBytesMax, leave, syncFolder } from './history.ts';
import { takeLock } from './lock.ts';
import { makeWay, NotRegular, openRegular } from './regular.ts';
import { alsoKnownAs } from './secondName.ts';
import type { History, Loaded, Store } from './store.ts';
import { writingAdvice } from './writing.ts';

/** A store that holds its directory until it is closed or the process ends. */
export interface FileStore extends Store {
  /** Waits for what was asked before, then lets another process have the directory. */
  close(): Promise<void>;
}

/**
 * Takes the directory, which is made where it is missing.
 *
 * @param dir absolute path.
 * @param more.historyBytesMax when history goes on in a new file.
 * @throws Fault STATE_NOT_WRITABLE, naming the pid where another controller has the directory.
 */
export async function fileStore(
  dir: string,
  more: { readonly historyBytesMax?: number } = {},
): Promise<FileStore> {
  await mkdir(dir, { recursive: true }).catch((caught: unknown) => {
    throw notWritable(dir, caught);
  });
  const unlock = await takeLock(dir);
  try {
    await sweep(dir);
  } catch (caught) {
    await unlock();
    throw notWritable(dir, caught);
  }
  const files = new StateFiles(dir);
  const history = new HistoryFile(dir, more.historyBytesMax ?? historyBytesMax);
  let turn: Promise<unknown> = Promise.resolve();
  let closed = false;
  const queued = <T>(act: () => Promise<T>): Promise<T> => {
    if (closed) return Promise.reject(notWritable(dir, new Error('this store was closed')));
    const mine = turn.then(act);
    turn = mine.catch(() => {});
    return mine;
  };
  return {
    load: () => queued(() => files.load()),
    save: (state, revision) => {
      // Now, not in its turn: the caller may go on to other things with what it handed over.
      const texts = textsOf(state);
      return queued(() => files.save(texts, revision));
    },
    append: (deployment: Deployment) =>
      queued(() =>
        history.append(deployment).catch((caught: unknown) => {
          throw notWritable(join(dir, 'history.jsonl'), caught);
        }),
      ),
    history: (query): Promise<History> => queued(() => history.read(query)),
    close: () => {
      const unlocked = queued(unlock);
      closed = true;
      return unlocked;
    },
  };
}

/**
 * Reads the state as `load` does, while somebody else may have the directory; takes nothing.
 *
 * @throws Fault STATE_UNREADABLE
 */
export async function tryState(dir: string): Promise<void> {
  await new StateFiles(dir).load();
}

class StateFiles {
  readonly #dir: string;
  readonly #current: string;
  readonly #previous: string;
  readonly #temporary: string;
  /** What stands on disk, once it was read. */
  #known: { revision: string; saves: number; currentGood: boolean } | null = null;
  #savedBefore = false;

  constructor(dir: string) {
    this.#dir = dir;
    this.#current = join(dir, 'state.json');
    this.#previous = join(dir, 'state.previous.json');
    this.#temporary = join(dir, 'state.json.new');
  }

  async load(): Promise<Loaded | null> {
    const current = await readState(this.#current);
    if (current.kind === 'good') return this.#found(current, null);
    if (current.kind === 'newer')
      throw unreadable(`${place(this.#current, current)}.`, newerAdvice);
    const previous = await readState(this.#previous);
    if (previous.kind === 'newer') {
      throw unreadable(`${place(this.#previous, previous)}.`, newerAdvice);
    }
    if (previous.kind === 'good') return this.#found(previous, place(this.#current, current));
    if (current.kind === 'missing' && previous.kind === 'missing') {
      this.#known = { revision: '', saves: 0, currentGood: false };
      return null;
    }
    throw unreadable(
      `${place(this.#current, current)}; and ${place(this.#previous, previous)}.`,
      'Put back a copy of state.json from a backup; or, to begin anew and lose what was deployed, ' +
        `move both files out of ${this.#dir}.`,
    );
  }

  async save(texts: Texts, revision: string): Promise<string> {
    if (!this.#known) await this.load();
    const known = this.#known ?? { revision: '', saves: 0, currentGood: false };
    if (known.revision !== revision) {
      throw new Fault(
        'REVISION_STALE',
        `The state is at revision "${known.revision}", not "${revision}". Load it again.`,
        { stored: known.revision, given: revision },
      );
    }
    const saves = known.saves + 1;
    const next = `${saves}-${checksumOf(stateFormat, String(saves), texts.plain).slice(7, 15)}`;
    const kept = known.currentGood ? this.#previous : join(this.#dir, 'state.damaged.json');
    try {
      await this.#replace(encode(texts, next), kept);
    } catch (caught) {
      await Promise.all(
        [this.#temporary, asideOf(kept)].map((path) => rm(path, { force: true }).catch(() => {})),
      );
      throw notWritable(this.#current, caught);
    }
    this.#known = { revision: next, saves, currentGood: true };
    return next;
  }

  #found(good: { state: State; revision: string }, recovered: string | null): Loaded {
    const saves = Number.parseInt(good.revision, 10) || 0;
    this.#known = { revision: good.revision, saves, currentGood: recovered === null };
    return { state: good.state, revision: good.revision, recovered };
  }

  /**
   * The text takes the place of the current file, which is kept under another name: as the previous
   * one, if it was good. What does not build on each other is done at once: who asked for a flip
   * waits for every turn of it.
   */
  async #replace(text: Buffer, kept: string): Promise<void> {
    // What is written can be read again.
    if (text.length > bytesMax) throw new Error(`the state has ${text.length} bytes`);
    const secondName = this.#secondName(kept);
    const written = this.#write(text);
    // Both are over before either's fault is told: nothing goes on under what is tidied up then.
    await Promise.allSettled([secondName, written]);
    await written;
    const hadCurrent = await secondName;
    if (hadCurrent) await rename(asideOf(kept), kept);
    // A rename between two names of one file does nothing and leaves both: a life that was killed
    // may have left the current one as the previous one too.
    if (!this.#savedBefore) await rm(asideOf(kept), { force: true });
    await rename(this.#temporary, this.#current);
    try {
      await syncFolder(this.#dir);
    } catch (caught) {
      // It may or may not survive a power cut, so it must not count: what stood there stands there
      // again.
      if (!hadCurrent) await rm(this.#current, { force: true });
      else if (await alsoKnownAs(kept, asideOf(this.#current))) {
        await rename(asideOf(this.#current), this.#current);
      }
      throw caught;
    }
    this.#savedBefore = true;
  }

  async #write(text: Buffer): Promise<void> {
    const file = await this.#openTemporary();
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      leave(file);
    }
  }

  /** A new one: what stands there was left by a save that failed, or is no file of ours. */
  async #openTemporary(): Promise<FileHandle> {
    try {
      return await open(this.#temporary, 'wx', 0o600);
    } catch (caught) {
      if ((caught as NodeJS.ErrnoException).code !== 'EEXIST') throw caught;
      await makeWay(this.#temporary);
      return open(this.#temporary, 'w', 0o600);
    }
  }

  /** @returns false: there is no current file that could have one. */
  async #secondName(kept: string): Promise<boolean> {
    await Promise.all([this.#current, kept, asideOf(kept)].map((path) => makeWay(path)));
    return alsoKnownAs(this.#current, asideOf(kept));
  }
}

function asideOf(file: string): string {
  return `${file}.new`;
}

type Read = ReturnType<typeof decode> | { readonly kind: 'missing' };

/** @throws Fault STATE_UNREADABLE where the system, not the content, is in the way. */
async function readState(file: string): Promise<Read> {
  try {
    const opened = await openRegular(file, bytesMax);
    try {
      return decode(await opened.readFile());
    } finally {
      await opened.close();
    }
  } catch (caught) {
    if (caught instanceof NotRegular) return { kind: 'damaged', at: 0, why: caught.message };
    const { code } = caught as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { kind: 'missing' };
    if (code === 'EIO') return { kind: 'damaged', at: 0, why: 'the disk cannot read it (EIO)' };
    throw new Fault('STATE_UNREADABLE', `${file} cannot be read (${code}). Check who owns it.`, {
      file,
      cause: caught,
    });
  }
}

const newerAdvice =
  'Run the newer Pointsman again, or put back a copy of state.json that is older.';

function place(file: string, read: Read): string {
  if (read.kind === 'missing') return `${file} is missing`;
  return read.kind === 'good' ? file : `${file} at byte ${read.at}: ${read.why}`;
}

function unreadable(where: string, advice: string): Fault {
  return new Fault('STATE_UNREADABLE', `${where} ${advice}`);
}

/** What a crash left half written. What is in the way and cannot go is the next save's to refuse. */
async function sweep(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!/^state(\.\w+)?\.json\.new$/.test(name)) continue;
    await makeWay(join(dir, name)).catch(() => {});
    await rm(join(dir, name), { force: true }).catch(() => {});
  }
}

function notWritable(file: string, cause: unknown): Fault {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new Fault(
    'STATE_NOT_WRITABLE',
    `${file} cannot be written (${code ?? message}); what it held before, it still holds. ${writingAdvice(cause)}`,
    { file, cause },
  );
}
