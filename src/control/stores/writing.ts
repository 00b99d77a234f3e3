/**
 * What to do where a disk does not take what is written.
 *
 * The rule this file keeps: the words name what an operator can change, by what the system said.
 */

/** One sentence. @param cause what the system threw. */
export function writingAdvice(cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'The disk is full: make room.';
    case 'EROFS':
      return 'The file system is read-only: mount it to be written, or move `state`.';
    default:
      return 'Check the disk and who may write there.';
  }
}
