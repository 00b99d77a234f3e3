/**
 * Reads the heads of the requests of one client's connection.
 *
 * The rule this file keeps: no more of the bytes is made text than a head takes, and mostly that is
 * little: a body may stand behind it. Header lines that come again are known by themselves.
 */
import { headGuessBytes, headText } from './headText.ts';
import {
  type HeadReason,
  knownLines,
  parseRequest,
  type RequestHead,
  type RequestHeadCache,
} from './request.ts';

export class RequestHeadReader {
  #known: RequestHeadCache | null = null;

  /** @param head is filled in; whole only where the answer is `whole`. See `parseRequest`. */
  read(bytes: Buffer, head: RequestHead): 'whole' | 'partial' | HeadReason {
    let text = headText(bytes, 0, bytes.length);
    let verdict = parseRequest(text, head, this.#known);
    if (verdict === 'partial' && bytes.length > headGuessBytes) {
      text = bytes.toString('latin1');
      verdict = parseRequest(text, head, this.#known);
    }
    if (verdict === 'whole' && head.known === null) {
      this.#known = knownLines(text, head) ?? this.#known;
    }
    return verdict;
  }
}
