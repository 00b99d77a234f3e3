/**
 * The head of the last answer of one connection to a target.
 *
 * The rule this file keeps: a head is known only where it is the same to the last byte, in answer
 * to the same method; then it has the same meaning, and goes to the client as the same text.
 * Targets that are asked often answer alike until their Date changes.
 */
import type { HeaderEdits } from '../edge/headerEdits.ts';
import { emptyResponseHead, type ResponseHead } from './response.ts';

/** Longer heads are seldom alike, and would be kept for nothing. */
const textCharsMax = 1024;

export class ResponseHeadCache {
  readonly #head: ResponseHead = emptyResponseHead();
  #text = '';
  #method = '';
  /** What the client gets for it, on a connection that is kept; '' until it came a second time. */
  passed = '';
  /** What it says of Strict-Transport-Security: over plain HTTP nothing may be said. */
  passedHstsSeconds = 0;
  /** The Date that was added to it; null: the target's own stands. */
  passedDate: string | null = null;
  /** What the service had done to it. */
  passedEdits: HeaderEdits | null = null;

  /**
   * @param text what came, from the beginning of a head.
   * @returns the head, if it is the known one.
   */
  recall(text: string, method: string): ResponseHead | null {
    if (this.#text === '' || method !== this.#method || !text.startsWith(this.#text)) return null;
    return this.#head;
  }

  /** @param head just read from the beginning of `text`, whole. */
  remember(text: string, method: string, head: ResponseHead): void {
    this.passed = '';
    if (head.headBytes > textCharsMax) {
      this.#text = '';
      return;
    }
    this.#text = text.slice(0, head.headBytes);
    this.#method = method;
    Object.assign(this.#head, head);
  }
}
