/** The one door to Preact and its signals: what the page uses of them, and nothing else. */

export {
  batch,
  computed,
  effect,
  type Signal,
  signal,
  useComputed,
  useSignal,
} from '@preact/signals';
export type { ComponentChildren, RefObject } from 'preact';
export { render } from 'preact';
export { useEffect, useRef } from 'preact/hooks';
