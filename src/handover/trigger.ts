/**
 * SIGUSR2: the running Pointsman is to start its successor.
 *
 * The rule this file keeps: the signal is caught from the first moment on, since a process that
 * does not catch it dies of it, and one that has just been started may be sent it at once. Until
 * somebody listens it is remembered; in a worker, a controller or a command nobody ever does.
 */
let asked = false;
let listener: (() => void) | null = null;

/** To be called before anything else is read. */
export function catchTrigger(): void {
  process.on('SIGUSR2', () => {
    if (listener === null) asked = true;
    else listener();
  });
}

/** From now on `begin` is told, of what came before as well. */
export function onTrigger(begin: () => void): void {
  listener = begin;
  if (asked) setImmediate(begin);
  asked = false;
}
