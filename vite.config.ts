/**
 * Builds the page (src/dashboard) into dist/dashboard, which the admin server serves.
 *
 * The rule this file keeps: what it makes runs under a strict Content-Security-Policy, so nothing is
 * inlined, no polyfill is injected, and every file but index.html carries a hash in its name.
 */
import { defineConfig } from 'vite';

export default defineConfig({
  root: 'src/dashboard',
  base: './',
  publicDir: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../dist/dashboard',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    reportCompressedSize: false,
  },
});
